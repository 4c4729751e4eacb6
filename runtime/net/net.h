/*
 * The outgoing side of a libuv loop: libcurl's multi handle, driven by it.
 * libcurl makes the connections (names, IPv6, TLS, proxies) and then lets go
 * of them.
 */
#ifndef HARP_NET_NET_H
#define HARP_NET_NET_H

#include <uv.h>

struct net;

/* libcurl is started with the first connection, not here. */
struct net *net_new(uv_loop_t *loop);

/* Every connection must have been closed; its handles close in the loop. */
void net_free(struct net *net);

uv_loop_t *net_loop(const struct net *net);

#endif
