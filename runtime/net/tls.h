/*
 * TLS as a server: what certificates are shown and demanded, and the kind of
 * transport that speaks it. OpenSSL reads and writes memory; the bytes are
 * carried by the transport, so that nothing ever blocks.
 */
#ifndef HARP_NET_TLS_H
#define HARP_NET_TLS_H

#include <stdbool.h>

struct harp_error;
struct ssl_ctx_st;              /* OpenSSL's SSL_CTX */
struct transport;
struct transport_kind;

/*
 * TLS 1.2 and above, for `legacy` peers 1.0 and its ciphers, too, with the
 * certificates of a file (PEM, the chain behind it) and its key. With
 * `client_ca` clients must show a certificate of one of these authorities.
 * NULL when a file cannot be used.
 */
struct ssl_ctx_st *tls_open(const char *certificate, const char *key,
                            const char *client_ca, bool legacy,
                            struct harp_error *error);

void tls_close(struct ssl_ctx_st *context);     /* NULL is fine */

/* For transport.c: makes it one that speaks TLS. */
const struct transport_kind *tls_kind(struct transport *transport,
                                      struct ssl_ctx_st *context);

#endif
