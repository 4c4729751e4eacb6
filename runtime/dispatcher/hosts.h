/* The registry: where the daemon of a host is, and who to be there. */
#ifndef HARP_DISPATCHER_HOSTS_H
#define HARP_DISPATCHER_HOSTS_H

#include "net/endpoint.h"

struct config;
struct hosts;

struct host {
    char *name;
    struct endpoint endpoint;
    char *user;
    char *password;
};

/* Takes `hosts` from a configuration; complaints go to it. */
struct hosts *hosts_read(struct config *config);

/* NULL when there is none of that name. */
const struct host *hosts_find(const struct hosts *hosts, const char *name);

/* In the order of their names. */
void hosts_each(const struct hosts *hosts,
                void (*each)(void *owner, const struct host *host),
                void *owner);

void hosts_free(struct hosts *hosts);

#endif
