/*
 * What every call would do for the first time, done once before any is
 * forked: OpenSSL looks up its algorithms, and the dynamic linker finds the
 * functions of the libraries. Children begin with that in their memory,
 * instead of each of them writing it to pages of its own.
 */
#ifndef HARP_DAEMON_REHEARSAL_H
#define HARP_DAEMON_REHEARSAL_H

struct ssl_ctx_st;              /* OpenSSL's SSL_CTX */

/* With the certificates that the children will show. */
void rehearsal_hold(struct ssl_ctx_st *context);

#endif
