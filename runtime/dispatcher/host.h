/*
 * A host: where its daemon is, who to be there, and how much it takes. It is
 * made from an entry: the settings as they were written, in a table of the
 * configuration or in a line of JSON, on top of the defaults of all hosts.
 */
#ifndef HARP_DISPATCHER_HOST_H
#define HARP_DISPATCHER_HOST_H

#include <stddef.h>

#include "base/buffer.h"
#include "net/endpoint.h"

struct config;
struct harp_error;
struct scalar;

struct host {
    char *name;
    struct endpoint endpoint;
    char *user;
    char *password;
    double accept_timeout;      /* seconds from the connection to the ack */
    size_t max_running;         /* calls at once */
};

struct host_entry;

struct host_entry *host_entry_new(void);
void host_entry_free(struct host_entry *entry);

/*
 * The entry of the configuration that config_each, config_inside or
 * config_call is at. -1 and an error for what is no setting of a host.
 */
int host_entry_config(struct host_entry *entry, struct config *config,
                      struct harp_error *error);

/*
 * A line as stock fillers print it: {"hostname","address","port",
 * "credentials":{"user","password"}} and more settings.
 */
int host_entry_json(struct host_entry *entry, struct text line,
                    struct harp_error *error);

/* One setting, for defaults that come from elsewhere: if it is not set. */
void host_entry_default(struct host_entry *entry, const char *name,
                        double number);

/* `name`: NULL for what the entry says itself. Fills a zeroed host. */
int host_make(struct host *host, const char *name,
              const struct host_entry *entry,
              const struct host_entry *defaults, struct harp_error *error);

/* Would the settings be good for some host? For the defaults. */
int host_entry_check(const struct host_entry *entry,
                     struct harp_error *error);

void host_free(struct host *host);      /* what it owns; the password wiped */

#endif
