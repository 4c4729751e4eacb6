/*
 * TLS sessions of peers that were met, to be resumed when they are met again:
 * that saves both sides the certificate and its check. A resumed session
 * shows no certificate, so what the peer was known by when it did is kept
 * with it, and checked again.
 */
#ifndef HARP_NET_SESSIONS_H
#define HARP_NET_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "net/known_certs.h"
#include "net/pin.h"

struct ssl_session_st;          /* OpenSSL's SSL_SESSION */

/* What a peer was known by. */
struct identity {
    char pin[PIN_SIZE];         /* of its key, or "" */
    bool shown;                 /* a certificate, of this fingerprint */
    unsigned char fingerprint[FINGERPRINT_SIZE];
    int64_t met;                /* when it showed them; seconds, monotonic */
};

/* Seconds, for `met`. */
int64_t sessions_now(void);

/*
 * Keeps a copy under a name that tells the peer and how it is trusted; it
 * takes the place of the one that is there.
 */
void sessions_keep(const char *name, struct ssl_session_st *session,
                   const struct identity *identity);

/*
 * A copy, the caller's, and the identity; NULL when there is none, or the
 * peer has not shown a certificate for ten minutes.
 */
struct ssl_session_st *sessions_find(const char *name,
                                     struct identity *identity);

#endif
