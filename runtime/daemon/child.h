/* The process that serves one call. */
#ifndef HARP_DAEMON_CHILD_H
#define HARP_DAEMON_CHILD_H

#include <sys/types.h>

#include "net/openssl.h"

struct procedures;
struct users;

/* What a child needs of its parent; it was all made before the first call. */
struct child_context {
    SSL_CTX *tls;
    struct users *users;
    struct procedures *procedures;
};

/*
 * Forks a child that serves the caller on `socket` and is gone. Its pid, which
 * is its process group too, or -1 with errno.
 */
pid_t child_fork(const struct child_context *context, int socket,
                 const char *address);

#endif
