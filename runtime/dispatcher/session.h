/*
 * A client's connection: lines come in, replies go out.
 *
 *   READING ──► ANSWERING ──► LINGERING ──► closed
 *    ▲   │         ▲  └── hang-up, error ─────▲
 *    │   ▼         │ failed, 1 s later
 *   CHECKING ──────┘
 *
 * At a door with users the first request says who asks, and waits while that
 * is found out. TLS that fails is LINGERING, too: its last word says why.
 *
 * It is READING as long as only requests with a tag come (protocol §4). One
 * without is the last: nothing is read after it, and when it and all that
 * were there before it are answered the connection ends. What cannot be told
 * to be a request with a tag ends it at once.
 *
 * All that is to be sent goes out at the end of the turn of the loop, in one
 * write. A client that does not read is not read from either: it costs a
 * bounded amount, whatever it asks for.
 */
#ifndef HARP_DISPATCHER_SESSION_H
#define HARP_DISPATCHER_SESSION_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct door;
struct exchanges;
struct parts;
struct session;

/*
 * Accepts and serves a client. When there are too many it does so later:
 * until then libuv accepts no other at this door, and they wait in the
 * kernel's queue.
 */
void session_start(struct door *door);

/* Sends what there is to be sent, and what follows from that. */
void session_flush_all(struct parts *parts);

/* Has everyone been sent, and has read, what there is to be told now? */
bool session_all_are_told(const struct parts *parts);

/* Hangs up on everyone; for the end of the dispatcher. */
void session_close_all(struct parts *parts);

/* Requests that are being answered, on all connections. */
size_t session_count_exchanges(const struct parts *parts);

/* ---- for its exchanges ---- */

struct exchanges *session_exchanges(struct session *session);
struct parts *session_parts(struct session *session);

/* Lines put there are sent at the end of the turn. */
struct buffer *session_output(struct session *session);

/* Has the client a lot to read still? */
bool session_is_congested(const struct session *session);

/* Something has changed for its exchanges: it is flushed in this turn. */
void session_touch(struct session *session);

#endif
