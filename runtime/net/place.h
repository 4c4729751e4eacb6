/*
 * A place to listen at, as configurations have it: an address, or "systemd"
 * and "systemd:NAME" for a socket that systemd listens on.
 */
#ifndef HARP_NET_PLACE_H
#define HARP_NET_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "net/endpoint.h"

struct place {
    char *address;              /* as it is configured */
    bool systemd;               /* it comes from there, and not from… */
    struct endpoint endpoint;   /* …here */
};

/* Reads an address into a zeroed place, which is to be freed also after -1. */
int place_parse(struct place *place, const char *address, int port,
                struct harp_error *error);

/*
 * A socket that listens there, or -1; as listen_open. Each of systemd's is
 * taken once.
 */
int place_open(const struct place *place, mode_t mode, char **name,
               struct harp_error *error);

void place_free(struct place *place);   /* what it owns */

#endif
