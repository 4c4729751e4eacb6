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
    double request_timeout;     /* s for handshake and request */
    double grace;               /* s from SIGTERM to SIGKILL */
};

struct caller {
    int socket;
    const char *address;
    struct slot *slot;          /* of this child */
    double auth_delay;          /* s that a wrong password's answer waits */
};

/*
 * Forks a child that serves the caller and is gone. Its pid, which is its
 * process group too, or -1 with errno.
 */
pid_t child_fork(const struct child_context *context,
                 const struct caller *caller);

#endif
