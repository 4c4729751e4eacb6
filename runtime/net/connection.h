/*
 * An open line to somewhere, plain or TLS: lines go out and come in.
 *
 *   connecting ──► open ──► ended          connection_close from any state
 *        └──────────────────► ended
 *
 * The owner is told that there is something to take, and takes lines until
 * there are none. When nobody takes, reading stops at a bounded amount, and
 * the peer waits.
 */
#ifndef HARP_NET_CONNECTION_H
#define HARP_NET_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct connection;
struct endpoint;
struct harp_error;
struct net;

/*
 * Never fails at once: what goes wrong is what connection_take says.
 * `notify` is called from the loop, never from inside a call of this page,
 * when there is a line to take or the connection has ended.
 */
struct connection *connection_open(struct net *net,
                                   const struct endpoint *endpoint,
                                   void (*notify)(void *owner), void *owner);

/* Sends now or as soon as it is open; the bytes are copied. */
void connection_send(struct connection *connection, struct text bytes);

/*
 * How many bytes have been given to connection_send so far, and whether all
 * up to there have left: what has not cannot have reached the peer.
 */
uint64_t connection_position(const struct connection *connection);
bool connection_has_sent(const struct connection *connection,
                         uint64_t position);

/*
 * Nothing has come for so long: is that the peer's fault? Not while it
 * connects, which has a limit of its own, nor until it was open for so long;
 * nor while the owner has not taken what did come, and reading has stopped.
 */
bool connection_is_silent(struct connection *connection, double seconds);

/* Seconds since it was made; 0 while it connects. */
double connection_time_open(const struct connection *connection);

/*
 * A line longer than this ends the connection with "bad_protocol": what has
 * no end must not fill the memory. Before that there is no limit.
 */
void connection_limit_line(struct connection *connection, size_t bytes);

/*
 * Reads what the loop has not read yet; to be taken then, no notification
 * comes for it.
 */
void connection_look(struct connection *connection);

/*
 * An idle one does not keep the loop alive; for an open connection that
 * nobody waits for now.
 */
void connection_set_idle(struct connection *connection, bool idle);

/*
 * 1: a line, valid until the next call of this page; 0: none yet; -1: ended,
 * and `error` (CommunicationError) says why: "econnrefused", "nxdomain",
 * "etimedout", "certificate", "tls", "closed"…
 */
int connection_take(struct connection *connection, struct text *line,
                    struct harp_error *error);

/* No notification comes after this; the memory goes with the loop's turn. */
void connection_close(struct connection *connection);

#endif
