/*
 * Where a peer is and how it is to be trusted: what a connection is opened
 * to, and what a server listens on.
 */
#ifndef HARP_NET_ENDPOINT_H
#define HARP_NET_ENDPOINT_H

#include <stdbool.h>

struct harp_error;

struct endpoint {
    char *host;                 /* name or address; NULL when a path is set */
    int port;                   /* 1…65535; 0 lets a listener choose */
    char *path;                 /* of a unix socket */

    bool tls;
    char *ca_file;              /* PEM; NULL for the system's authorities */
    char *pin;                  /* "sha256//…" of the public key, instead */
    bool insecure;              /* no verification at all */

    double connect_timeout;     /* seconds, TLS handshake included; 0 = 10 */
};

/*
 * Reads "host", "host:port", "[v6]:port", "v6" or "unix:/path" into a zeroed
 * endpoint. `port` is taken when the address has none.
 */
int endpoint_parse(struct endpoint *endpoint, const char *address, int port,
                   struct harp_error *error);

/* "web01:4306", "[::1]:4306" or "unix:/path"; owned by the caller. */
char *endpoint_name(const struct endpoint *endpoint);

void endpoint_copy(struct endpoint *copy, const struct endpoint *endpoint);
void endpoint_free(struct endpoint *endpoint);  /* what it owns */

#endif
