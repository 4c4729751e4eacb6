/*
 * The outgoing side of a libuv loop: libcurl's multi handle, driven by it.
 * libcurl makes the connections (names, IPv6, TLS, proxies) and then lets go
 * of their sockets.
 */
#ifndef HARP_NET_NET_H
#define HARP_NET_NET_H

#include <uv.h>

#include "net/curl.h"

struct net;

/* A connect under way, embedded in what it is for. */
struct net_connect {
    CURL *easy;
    CURLSH *share;              /* the one connection that libcurl may see */
    void (*done)(struct net_connect *connect, CURLcode result);
    struct net_connect *next;   /* of those that failed at once */
};

/* libcurl is loaded with the first connect, not here. */
struct net *net_new(uv_loop_t *loop);

/* Every connect must have been stopped; the handles close in the loop. */
void net_free(struct net *net);

uv_loop_t *net_loop(const struct net *net);

/*
 * Makes the easy handle, to be set up for a connect and then started. The
 * connection lasts until net_stop, which frees the handle too. `done` is
 * called from the loop. The handle is NULL when libcurl is not there; the
 * connect then fails as any other.
 */
void net_prepare(struct net *net, struct net_connect *connect);
void net_start(struct net *net, struct net_connect *connect);
void net_stop(struct net *net, struct net_connect *connect);

#endif
