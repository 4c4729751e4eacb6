/*
 * What the configuration says, read and loaded whole before any of it is put
 * to use: at the start, at a reload, and to see whether it is good.
 */
#ifndef HARP_DAEMON_SETTINGS_H
#define HARP_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "daemon/child.h"

struct config;
struct harp_error;
struct listeners;

#define DAEMON_CERTIFICATE "/etc/harp/daemon.crt"
#define DAEMON_KEY "/etc/harp/daemon.key"

struct daemon_settings {
    struct listeners *listeners;
    struct child_context context;
    bool legacy;                /* TLS 1.0 is served, too */
    size_t most_children;       /* calls at once */
    size_t most_unauthenticated;    /* callers of an origin, before that */
    double auth_delay;          /* seconds that the first refusal takes */
    struct log_form log;
    bool lifeline;
};

/*
 * Fills a zeroed struct, which is to be freed also after a -1; a UsageError
 * says what is wrong.
 */
int daemon_settings_read(struct daemon_settings *settings, const char *path,
                         struct harp_error *error);

void daemon_settings_free(struct daemon_settings *settings);

#endif
