/* Listening sockets, TCP and unix. */
#ifndef HARP_NET_LISTEN_H
#define HARP_NET_LISTEN_H

struct endpoint;
struct harp_error;

/*
 * A listening socket (non-blocking, close-on-exec), or -1. The name of what
 * it really listens on, with the port that the system chose, goes to *name,
 * owned by the caller. A unix socket is made with mode 0600, and replaces a
 * stale one that nobody answers on.
 */
int listen_open(const struct endpoint *endpoint, char **name,
                struct harp_error *error);

#endif
