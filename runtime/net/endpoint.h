/*
 * Where a peer is and how it is to be trusted: what a connection is opened
 * to, and what a server listens on.
 */
#ifndef HARP_NET_ENDPOINT_H
#define HARP_NET_ENDPOINT_H

#include <stdbool.h>

#include "net/proxy.h"

struct harp_error;

struct endpoint {
    char *host;                 /* name or address; NULL when a path is set */
    int port;                   /* 1…65535; 0 lets a listener choose */
    char *path;                 /* of a unix socket */
    struct proxy proxy;         /* in between */

    bool tls;
    bool legacy;                /* TLS 1.0 and its ciphers are good enough */
    char *ca_file;              /* PEM; NULL for the system's authorities */
    char *pin;                  /* see net/pin.h; instead of authorities */
    char *known_certs;          /* see net/known_certs.h; PEM, the same */
    bool first_use;             /* see net/known_hosts.h; instead of both */
    char *known_hosts;          /* its file; NULL for the user's own */
    bool insecure;              /* no verification at all */
    char *cert_file;            /* what we show, PEM; NULL for nothing */
    char *key_file;             /* NULL when it is in cert_file */

    double connect_timeout;     /* seconds, TLS handshake included; 0 = 10 */
};

/* What a peer's certificate is checked by. */
enum trust { TRUST_SYSTEM, TRUST_AUTHORITY, TRUST_PIN, TRUST_KNOWN_CERTS,
             TRUST_FIRST_USE, TRUST_ANYONE };
enum trust endpoint_trust(const struct endpoint *endpoint);

/*
 * Reads "host", "host:port", "[v6]:port", "v6" or "unix:/path" into a zeroed
 * endpoint. `port` is taken when the address has none.
 */
int endpoint_parse(struct endpoint *endpoint, const char *address, int port,
                   struct harp_error *error);

/* "web01:4306", "[::1]:4306" or "unix:/path"; owned by the caller. */
char *endpoint_name(const struct endpoint *endpoint);

/* The same, and the way there: "web01:4306 via socks5h://gate:1080". */
char *endpoint_route(const struct endpoint *endpoint);

void endpoint_copy(struct endpoint *copy, const struct endpoint *endpoint);
void endpoint_free(struct endpoint *endpoint);  /* what it owns */

#endif
