#include "dispatcher/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "dispatcher/parts.h"
#include "dispatcher/requests.h"
#include "wire/line.h"
#include "wire/reply.h"

#define READ_SIZE 4096
#define REQUEST_LIMIT (1 << 20) /* bytes (protocol §1) */
#define CONGESTED (1 << 16)     /* bytes a client has yet to read */
#define REQUEST_TIME 60000      /* ms for a request to arrive */
#define LINGER_TIME 2000        /* ms for the client's end, once all is sent */
#define KEEPALIVE 60            /* seconds before a silent peer is probed */

enum session_state { READING, ANSWERING, LINGERING };

struct session {
    LIST_ENTRY(session) link;
    struct parts *parts;
    enum session_state state;
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_handle_t handle;
    } peer;
    uv_timer_t timer;
    uv_shutdown_t shutdown;
    struct line_reader input;
    LIST_HEAD(exchanges, exchange) exchanges;
    int handles;                /* that are not closed yet */
};

/* ---- closing: here alone ---- */

static void accept_waiting(struct parts *parts)
{
    uv_stream_t *listener = parts->waiting;

    parts->waiting = NULL;
    if (listener && !parts->stopping)
        session_start(parts, listener);
}

static void on_closed(uv_handle_t *handle)
{
    struct session *session = handle->data;

    if (--session->handles > 0)
        return;
    line_free(&session->input);
    session->parts->clients--;
    accept_waiting(session->parts);
    free(session);
}

static void free_exchange(struct exchange *exchange)
{
    request_free(&exchange->request);
    free(exchange);
}

/* Takes the exchange from its session; it goes when the store is done. */
static void release(struct exchange *exchange)
{
    follow_abandon(exchange);
    LIST_REMOVE(exchange, link);
    exchange->session = NULL;
    if (!exchange->pending)
        free_exchange(exchange);
}

static void session_close(struct session *session)
{
    if (uv_is_closing(&session->peer.handle))
        return;
    while (!LIST_EMPTY(&session->exchanges))
        release(LIST_FIRST(&session->exchanges));
    LIST_REMOVE(session, link);
    uv_close(&session->peer.handle, on_closed);
    uv_close((uv_handle_t *)&session->timer, on_closed);
}

void session_close_all(struct parts *parts)
{
    while (!LIST_EMPTY(&parts->sessions))
        session_close(LIST_FIRST(&parts->sessions));
}

static void on_timer(uv_timer_t *timer)
{
    session_close(timer->data);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct session *session = shutdown->data;

    if (status < 0)
        session_close(session);
    else
        uv_timer_start(&session->timer, on_timer, LINGER_TIME, 0);
}

/*
 * After the last reply, for which the client may take its time. Closing then
 * at once, with bytes of the client unread, would reset the connection and
 * lose the reply. So its end is waited for.
 */
static void linger(struct session *session)
{
    session->state = LINGERING;
    line_free(&session->input);
    session->shutdown.data = session;
    if (uv_shutdown(&session->shutdown, &session->peer.stream, on_shutdown)
        != 0)
        session_close(session);
}

/* ---- writing ---- */

struct sending {
    uv_write_t write;
    struct session *session;
    struct buffer lines;
};

static void on_sent(uv_write_t *write, int status)
{
    struct sending *sending = write->data;
    struct session *session = sending->session;

    buffer_free(&sending->lines);
    free(sending);
    if (status < 0) {
        session_close(session);
    } else if (session->peer.stream.write_queue_size <= CONGESTED
               && !uv_is_closing(&session->peer.handle)) {
        struct exchange *exchange = LIST_FIRST(&session->exchanges);

        while (exchange) {
            struct exchange *next = LIST_NEXT(exchange, link);

            follow_drained(exchange);
            exchange = next;
        }
    }
}

static void session_send(struct session *session, struct buffer *lines)
{
    struct sending *sending;
    uv_buf_t bytes = uv_buf_init(lines->data, (unsigned)lines->length);

    if (lines->length == 0) {
        buffer_free(lines);
        return;
    }
    sending = memory_new(sizeof *sending);
    sending->session = session;
    sending->lines = *lines;
    sending->write.data = sending;
    *lines = (struct buffer){ 0 };
    uv_write(&sending->write, &session->peer.stream, &bytes, 1, on_sent);
}

/* ---- exchanges ---- */

static struct exchange *exchange_new(struct session *session)
{
    struct exchange *exchange = memory_new(sizeof *exchange);

    exchange->session = session;
    exchange->parts = session->parts;
    LIST_INSERT_HEAD(&session->exchanges, exchange, link);
    return exchange;
}

void exchange_send(struct exchange *exchange, struct buffer *lines)
{
    session_send(exchange->session, lines);
}

bool exchange_is_congested(const struct exchange *exchange)
{
    return exchange->session->peer.stream.write_queue_size > CONGESTED;
}

void exchange_end(struct exchange *exchange)
{
    struct session *session = exchange->session;

    release(exchange);
    linger(session);
}

void exchange_answer(struct exchange *exchange, struct buffer *lines)
{
    exchange_send(exchange, lines);
    exchange_end(exchange);
}

void exchange_answer_error(struct exchange *exchange, const char *type,
                           const char *message)
{
    struct buffer reply = { 0 };

    reply_error(&reply, type, message);
    exchange_answer(exchange, &reply);
}

bool exchange_resume(struct exchange *exchange)
{
    exchange->pending = false;
    if (exchange->session)
        return true;
    free_exchange(exchange);
    return false;
}

/* ---- reading ---- */

static void give_space(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    static char ignored[READ_SIZE];
    struct session *session = handle->data;

    (void)size;
    *buffer = uv_buf_init(session->state == READING
                          ? line_space(&session->input, READ_SIZE) : ignored,
                          READ_SIZE);
}

static void serve(struct session *session, struct text line)
{
    struct exchange *exchange = exchange_new(session);
    struct harp_error error;

    session->state = ANSWERING;
    uv_timer_stop(&session->timer);
    if (request_read(&exchange->request, line, &error) == 0)
        requests_serve(exchange);
    else
        exchange_answer_error(exchange, error.type, error.message);
}

static void refuse_long(struct session *session)
{
    session->state = ANSWERING;
    exchange_answer_error(exchange_new(session), "invalid_request",
                          "the request is longer than 1 MiB");
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct session *session = stream->data;
    struct text line;
    bool whole;
    size_t length;

    (void)buffer;
    if (size < 0) {
        session_close(session);
        return;
    }
    if (session->state != READING)
        return;
    line_filled(&session->input, (size_t)size);
    whole = line_take(&session->input, &line);
    length = whole ? line.length : line_pending(&session->input);
    if (length > REQUEST_LIMIT)
        refuse_long(session);
    else if (whole)
        serve(session, line);
}

void session_start(struct parts *parts, uv_stream_t *listener)
{
    struct session *session;

    if (parts->clients >= parts->most_clients) {
        parts->waiting = listener;
        return;
    }
    parts->clients++;
    session = memory_new(sizeof *session);
    session->parts = parts;
    LIST_INIT(&session->exchanges);
    LIST_INSERT_HEAD(&parts->sessions, session, link);
    if (listener->type == UV_TCP)
        uv_tcp_init(&parts->loop, &session->peer.tcp);
    else
        uv_pipe_init(&parts->loop, &session->peer.pipe, 0);
    uv_timer_init(&parts->loop, &session->timer);
    session->handles = 2;
    session->peer.handle.data = session->timer.data = session;
    if (uv_accept(listener, &session->peer.stream) != 0) {
        session_close(session);
        return;
    }
    if (listener->type == UV_TCP) {
        uv_tcp_nodelay(&session->peer.tcp, 1);
        uv_tcp_keepalive(&session->peer.tcp, 1, KEEPALIVE);
    }
    uv_timer_start(&session->timer, on_timer, REQUEST_TIME, 0);
    uv_read_start(&session->peer.stream, give_space, on_read);
}
