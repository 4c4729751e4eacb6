/* Listening sockets, TCP and unix. */
#ifndef HARP_NET_LISTEN_H
#define HARP_NET_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

struct endpoint;
struct harp_error;

#define LISTEN_MODE 0600        /* of a unix socket: nobody else's */

/*
 * A listening socket (non-blocking, close-on-exec), or -1. The name of what
 * it really listens on, with the port that the system chose, goes to *name,
 * owned by the caller. A unix socket is made with this mode, and replaces a
 * stale one that nobody answers on.
 */
int listen_open(const struct endpoint *endpoint, mode_t mode, char **name,
                struct harp_error *error);

/*
 * A listening socket that someone else made: what it listens on, as above, or
 * -1 when it is none. It becomes non-blocking and close-on-exec.
 */
int listen_adopt(int fd, char **name, struct harp_error *error);

/*
 * Can nobody but this machine reach it? A name that cannot be looked up could
 * be anything. The second is about a socket that listens.
 */
bool listen_is_local(const struct endpoint *endpoint);
bool listen_fd_is_local(int fd);

#endif
