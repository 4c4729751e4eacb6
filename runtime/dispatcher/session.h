/*
 * A client's connection, and the requests that come over it.
 *
 *   READING ──► ANSWERING ──► LINGERING ──► closed
 *      └───────────┴── hang-up, error ────────▲
 *
 * An exchange is one request being answered. There is one a connection
 * today; nothing but session.c relies on that.
 */
#ifndef HARP_DISPATCHER_SESSION_H
#define HARP_DISPATCHER_SESSION_H

#include <stdbool.h>
#include <uv.h>

#include "base/buffer.h"
#include "dispatcher/follow.h"
#include "wire/request.h"

struct parts;
struct session;

struct exchange {
    LIST_ENTRY(exchange) link;  /* in its session */
    struct session *session;    /* NULL once it is answered or abandoned */
    struct parts *parts;
    struct request request;
    bool pending;               /* the store has yet to complete something */
    struct follower follower;   /* for the requests that follow a job */
};

/*
 * Accepts and serves a client. When there are too many it does so later:
 * until then libuv accepts no other, and they wait in the kernel's queue.
 */
void session_start(struct parts *parts, uv_stream_t *listener);

/* Hangs up on everyone; for the end of the dispatcher. */
void session_close_all(struct parts *parts);

/* Sends lines; the buffer is taken over. */
void exchange_send(struct exchange *exchange, struct buffer *lines);

/* Has the client a lot to read still? Then follow_drained is called later. */
bool exchange_is_congested(const struct exchange *exchange);

/* Nothing more is sent, and the exchange is not to be touched any more. */
void exchange_end(struct exchange *exchange);

/* Sends and ends. */
void exchange_answer(struct exchange *exchange, struct buffer *lines);
void exchange_answer_error(struct exchange *exchange, const char *type,
                           const char *message);

/*
 * At the head of every completion of the store: false when the client is
 * gone, and the exchange with it.
 */
bool exchange_resume(struct exchange *exchange);

#endif
