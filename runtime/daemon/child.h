/* The process that serves one call. */
#ifndef HARP_DAEMON_CHILD_H
#define HARP_DAEMON_CHILD_H

#include <sys/types.h>

#include "net/openssl.h"

struct procedures;
struct slot;
struct users;

/* What a child needs of its parent; it was all made before the first call. */
struct child_context {
    SSL_CTX *tls;
    struct users *users;
    struct procedures *procedures;
    double request_timeout;     /* s, for handshake and request */
    double grace;               /* s, for a call that is ended */
};

/* Whom it serves. */
struct caller {
    int socket;
    const char *address;
    struct slot *slot;
    double auth_delay;          /* s that the answer to a wrong password waits */
};

/*
 * Forks a child that serves a caller and is gone. Its pid, which is its
 * process group too, or -1 with errno.
 */
pid_t child_fork(const struct child_context *context,
                 const struct caller *caller);

#endif
