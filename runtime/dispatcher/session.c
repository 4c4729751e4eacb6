#include "dispatcher/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "dispatcher/doors.h"
#include "dispatcher/exchange.h"
#include "dispatcher/parts.h"
#include "dispatcher/requests.h"
#include "wire/line.h"
#include "wire/reply.h"

#define READ_SIZE 16384
#define REQUEST_LIMIT (1 << 20) /* bytes (protocol §1) */
#define CONGESTED (1 << 16)     /* bytes a client has yet to read */
#define ROOM_KEPT (1 << 15)     /* bytes of room that an empty buffer keeps */
#define REQUEST_TIME 60000      /* ms for the first request to arrive */
#define LINGER_TIME 2000        /* ms for the client's end, once all is sent */
#define KEEPALIVE 60            /* seconds before a silent peer is probed */

enum session_state { READING, ANSWERING, LINGERING };

struct session {
    LIST_ENTRY(session) link;
    TAILQ_ENTRY(session) turn;  /* among those that are touched */
    bool touched;
    struct parts *parts;
    enum session_state state;
    bool receiving;             /* libuv reads from it */
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_handle_t handle;
    } peer;
    uv_timer_t timer;
    uv_shutdown_t shutdown;
    struct line_reader input;
    struct buffer output;       /* of this turn */
    struct exchanges exchanges;
    int handles;                /* that are not closed yet */
};

/* ---- closing: here alone ---- */

static void on_closed(uv_handle_t *handle)
{
    struct session *session = handle->data;

    if (--session->handles > 0)
        return;
    line_free(&session->input);
    buffer_free(&session->output);
    session->parts->clients--;
    doors_admit(session->parts);
    free(session);
}

static void untouch(struct session *session)
{
    if (session->touched)
        TAILQ_REMOVE(&session->parts->touched, session, turn);
    session->touched = false;
}

static bool is_closing(const struct session *session)
{
    return uv_is_closing(&session->peer.handle);
}

static void session_close(struct session *session)
{
    if (is_closing(session))
        return;
    exchanges_abandon(&session->exchanges);
    untouch(session);
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
    if (status < 0)
        session_close(session);
    else if (!is_closing(session))
        session_touch(session);
}

/* What the client has no room for now goes out as it reads. */
static void send_later(struct session *session, size_t sent)
{
    struct sending *sending = memory_new(sizeof *sending);
    struct buffer *output = &session->output;
    uv_buf_t rest = { .base = output->data + sent,
                      .len = output->length - sent };

    sending->session = session;
    sending->lines = *output;
    sending->write.data = sending;
    *output = (struct buffer){ 0 };
    uv_write(&sending->write, &session->peer.stream, &rest, 1, on_sent);
}

static void send_output(struct session *session)
{
    struct buffer *output = &session->output;
    uv_buf_t all = { .base = output->data, .len = output->length };
    int sent;

    if (output->length == 0)
        return;
    sent = uv_try_write(&session->peer.stream, &all, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        session_close(session);
    } else if (sent < 0 || (size_t)sent < output->length) {
        send_later(session, sent < 0 ? 0 : (size_t)sent);
    } else {
        output->length = 0;
        if (output->capacity > ROOM_KEPT)
            buffer_free(output);
    }
}

struct buffer *session_output(struct session *session)
{
    session_touch(session);
    return &session->output;
}

bool session_is_congested(const struct session *session)
{
    return session->peer.stream.write_queue_size + session->output.length
         > CONGESTED;
}

/* ---- requests ---- */

/* Nothing that could be asked after it is heard. */
static bool is_last(const struct request *request)
{
    return !request->tagged && request->kind != REQUEST_FORGET
        && !request_is_hello(request);
}

/* A forget that has a tag is never answered, and so does not use it. */
static int read_request(struct request *request, struct text line,
                        struct harp_error *error)
{
    if (request_read(request, line, error) != 0)
        return -1;
    if (request->kind == REQUEST_FORGET)
        request->tagged = false;
    return 0;
}

static void refuse(struct session *session, const struct request *request,
                   const char *type, const char *message)
{
    struct buffer reply = { 0 };

    reply_error(&reply, type, message);
    if (request->tagged) {
        reply_add_tagged(session_output(session), buffer_text(&reply),
                         request->tag);
    } else {
        exchanges_abandon(&session->exchanges);
        session->state = ANSWERING;
        buffer_add_text(session_output(session), buffer_text(&reply));
    }
    buffer_free(&reply);
}

static void serve(struct session *session, struct text line)
{
    struct request request = { 0 };
    struct harp_error error;

    if (read_request(&request, line, &error) == 0
        && exchanges_check(&session->exchanges, &request, &error) == 0) {
        if (is_last(&request))
            session->state = ANSWERING;
        requests_serve(exchange_new(session, &request));
        return;
    }
    refuse(session, &request, error.type, error.message);
    request_free(&request);
}

static void refuse_long(struct session *session)
{
    refuse(session, &(struct request){ 0 }, "invalid_request",
           "the request is longer than 1 MiB");
}

/* No more is asked of a client that has to read first, or to wait. */
static bool is_behind(const struct session *session)
{
    return session_is_congested(session)
        || exchanges_are_behind(&session->exchanges);
}

static void take_lines(struct session *session)
{
    struct line_reader *input = &session->input;
    struct text line;

    while (session->state == READING && !is_behind(session)) {
        bool whole = line_take(input, &line);
        size_t length = whole ? line.length : line_pending(input);

        if (!whole && length <= REQUEST_LIMIT)
            break;
        uv_timer_stop(&session->timer);
        if (length <= REQUEST_LIMIT)
            serve(session, line);
        else
            refuse_long(session);
    }
    if (line_pending(input) == 0 && input->buffer.capacity > ROOM_KEPT)
        line_free(input);
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

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

/*
 * A hang-up is seen by reading, or by writing. So it is read on after the
 * last request, for nothing but that; and who is behind is written to.
 */
static void receive(struct session *session)
{
    bool wanted = session->state != READING || !is_behind(session);

    if (wanted && !session->receiving)
        uv_read_start(&session->peer.stream, give_space, on_read);
    else if (!wanted && session->receiving)
        uv_read_stop(&session->peer.stream);
    session->receiving = wanted;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct session *session = stream->data;

    (void)buffer;
    if (size < 0) {
        session_close(session);
    } else if (session->state == READING) {
        line_filled(&session->input, (size_t)size);
        take_lines(session);
        receive(session);
    }
}

/* ---- the end of the turn ---- */

void session_touch(struct session *session)
{
    if (!session->touched)
        TAILQ_INSERT_TAIL(&session->parts->touched, session, turn);
    session->touched = true;
}

static void flush(struct session *session)
{
    send_output(session);
    if (is_closing(session))
        return;
    if (session->state == ANSWERING && LIST_EMPTY(&session->exchanges.all)) {
        linger(session);
        return;
    }
    exchanges_go_on(session);
    take_lines(session);
    receive(session);
}

void session_flush_all(struct parts *parts)
{
    struct session *session;

    while ((session = TAILQ_FIRST(&parts->touched))) {
        untouch(session);
        flush(session);
    }
}

struct exchanges *session_exchanges(struct session *session)
{
    return &session->exchanges;
}

struct parts *session_parts(struct session *session)
{
    return session->parts;
}

/* ---- starting ---- */

static void init_peer(struct session *session, uv_handle_type type)
{
    uv_loop_t *loop = &session->parts->loop;

    if (type == UV_TCP)
        uv_tcp_init(loop, &session->peer.tcp);
    else
        uv_pipe_init(loop, &session->peer.pipe, 0);
    uv_timer_init(loop, &session->timer);
    session->handles = 2;
    session->peer.handle.data = session->timer.data = session;
}

static struct session *session_new(struct parts *parts, uv_handle_type type)
{
    struct session *session = memory_new(sizeof *session);

    session->parts = parts;
    parts->clients++;
    exchanges_init(&session->exchanges);
    LIST_INSERT_HEAD(&parts->sessions, session, link);
    init_peer(session, type);
    return session;
}

void session_start(struct door *door)
{
    struct parts *parts = door->parts;
    uv_stream_t *listener = &door->listener.stream;
    struct session *session;

    if (parts->clients >= parts->most_clients) {
        doors_wait(door);
        return;
    }
    session = session_new(parts, listener->type);
    if (uv_accept(listener, &session->peer.stream) != 0) {
        session_close(session);
        return;
    }
    if (listener->type == UV_TCP) {
        uv_tcp_nodelay(&session->peer.tcp, 1);
        uv_tcp_keepalive(&session->peer.tcp, 1, KEEPALIVE);
    }
    uv_timer_start(&session->timer, on_timer, REQUEST_TIME, 0);
    receive(session);
}
