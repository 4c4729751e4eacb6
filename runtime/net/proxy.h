/*
 * What a peer is reached through: a SOCKS server, or an HTTP server that
 * makes tunnels (CONNECT).
 */
#ifndef HARP_NET_PROXY_H
#define HARP_NET_PROXY_H

struct harp_error;

struct proxy {
    char *address;              /* "socks5h://host:port"; NULL for none */
    char *user;                 /* NULL unless the URL had one */
    char *password;
};

/*
 * Reads "SCHEME://[USER:PASSWORD@]HOST:PORT" into a zeroed proxy. SCHEME is
 * socks5h (the proxy looks names up), socks5 (we do), socks4a or http. The
 * URL is a secret: neither `address` nor `error` has its user or password.
 */
int proxy_parse(struct proxy *proxy, const char *url,
                struct harp_error *error);

void proxy_copy(struct proxy *copy, const struct proxy *proxy);
void proxy_free(struct proxy *proxy);   /* what it owns */

#endif
