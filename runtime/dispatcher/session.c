#include "dispatcher/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/doors.h"
#include "dispatcher/exchange.h"
#include "dispatcher/login.h"
#include "dispatcher/parts.h"
#include "dispatcher/requests.h"
#include "net/transport.h"
#include "wire/line.h"
#include "wire/reply.h"

#define CONGESTED (1 << 16)     /* bytes a client has yet to read */
#define ROOM_KEPT (1 << 15)     /* bytes of room that an empty buffer keeps */
#define HANDSHAKE_TIME 10000    /* ms for that of TLS */
#define LINGER_TIME 2000        /* ms for the client's end, once all is sent */

enum session_state { READING, CHECKING, ANSWERING, LINGERING };

struct session {
    LIST_ENTRY(session) link;
    TAILQ_ENTRY(session) turn;  /* among those that are touched */
    bool touched;
    struct parts *parts;
    struct door *door;          /* that it came in by */
    enum session_state state;
    bool surplus;               /* there are too many without it */
    bool known;                 /* it has said who it is, or need not */
    struct login *login;        /* CHECKING, with… */
    struct request first;       /* …this, to be served after it */
    struct transport transport;
    uv_timer_t timer;
    struct line_reader input;
    struct buffer output;       /* of this turn */
    struct exchanges exchanges;
    int handles;                /* that are not closed yet */
};

/* ---- closing: here alone ---- */

static void on_closed(void *owner)
{
    struct session *session = owner;

    if (--session->handles > 0)
        return;
    line_free(&session->input);
    buffer_free(&session->output);
    session->parts->clients--;
    request_free(&session->first);
    doors_admit(session->parts);
    free(session);
}

static void on_timer_closed(uv_handle_t *timer)
{
    on_closed(timer->data);
}

static void untouch(struct session *session)
{
    if (session->touched)
        TAILQ_REMOVE(&session->parts->touched, session, turn);
    session->touched = false;
}

static bool is_closing(const struct session *session)
{
    return transport_is_closing(&session->transport);
}

static void session_close(struct session *session)
{
    if (is_closing(session))
        return;
    exchanges_abandon(&session->exchanges);
    login_abandon(session->login);
    session->login = NULL;
    untouch(session);
    LIST_REMOVE(session, link);
    transport_close(&session->transport);
    uv_close((uv_handle_t *)&session->timer, on_timer_closed);
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

static void on_ended(void *owner, int status)
{
    struct session *session = owner;

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
    if (transport_end(&session->transport) != 0)
        session_close(session);
    else
        transport_receive(&session->transport, true);
}

/* ---- writing ---- */

static void on_sent(void *owner, int status)
{
    struct session *session = owner;

    if (status < 0)
        session_close(session);
    else
        session_touch(session);
}

static void send_output(struct session *session)
{
    if (transport_send(&session->transport, &session->output) != 0)
        session_close(session);
}

struct buffer *session_output(struct session *session)
{
    session_touch(session);
    return &session->output;
}

bool session_is_congested(const struct session *session)
{
    return transport_queued(&session->transport) + session->output.length
         > CONGESTED;
}

/* Those with their last reply are told when they hang up. */
static bool is_told(const struct session *session)
{
    return session->state != LINGERING
        && session->output.length == 0
        && transport_queued(&session->transport) == 0
        && exchanges_are_waiting(&session->exchanges);
}

bool session_all_are_told(const struct parts *parts)
{
    const struct session *session;

    LIST_FOREACH(session, &parts->sessions, link)
        if (!is_told(session))
            return false;
    return true;
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

/* Appends an error with the tag of what it is about. */
static void send_error(struct session *session,
                       const struct request *request, const char *type,
                       const char *message)
{
    struct buffer reply = { 0 };

    reply_error(&reply, type, message);
    if (request->tagged)
        reply_add_tagged(session_output(session), buffer_text(&reply),
                         request->tag);
    else
        buffer_add_text(session_output(session), buffer_text(&reply));
    buffer_free(&reply);
}

static void refuse_session(struct session *session,
                           const struct request *request, const char *type,
                           const char *message)
{
    exchanges_abandon(&session->exchanges);
    session->state = ANSWERING;
    send_error(session, request, type, message);
}

static void refuse(struct session *session, const struct request *request,
                   const struct harp_error *error)
{
    if (request->tagged)
        send_error(session, request, error->type, error->message);
    else
        refuse_session(session, request, error->type, error->message);
}

static void serve(struct session *session, struct request *request)
{
    struct harp_error error;

    if (exchanges_check(&session->exchanges, request,
                        session->parts->settings.limits.in_flight, &error) != 0) {
        refuse(session, request, &error);
        request_free(request);
        return;
    }
    if (is_last(request))
        session->state = ANSWERING;
    requests_serve(exchange_new(session, request));
}

/* ---- who asks ---- */

static void on_login(void *owner, bool passed)
{
    struct session *session = owner;
    struct request *first = &session->first;

    session->login = NULL;
    session->known = passed;
    session->state = READING;
    session_touch(session);
    if (passed) {
        serve(session, first);
        return;
    }
    refuse_session(session, first, "auth_error", first->user
                   ? "wrong user or password"
                   : "users have to say who they are here: \"auth\" is "
                     "missing");
    request_free(first);
}

/* Nothing more is read until it is known. */
static void check(struct session *session, struct request *request)
{
    char from[TRANSPORT_NAME];

    session->state = CHECKING;
    session->first = *request;
    *request = (struct request){ 0 };
    session->login = login_start(&session->parts->loop, session->door->users,
                                 session->first.user, session->first.password,
                                 transport_name(&session->transport, from),
                                 on_login, session);
}

/* Passwords do not stay behind in what has been read. */
static void wipe(struct text line)
{
    explicit_bzero((char *)(uintptr_t)line.data, line.length);
}

static void take_request(struct session *session, struct text line)
{
    struct request request = { 0 };
    struct harp_error error;
    int status = read_request(&request, line, &error);

    if (status == 0)
        status = limits_check_nesting(&session->parts->settings.limits, line, &error);
    if (status != 0 || request.password)
        wipe(line);
    if (status == 0 && (session->known || !session->door->users)) {
        serve(session, &request);
    } else if (status == 0) {
        check(session, &request);
    } else {
        refuse(session, &request, &error);
        request_free(&request);
    }
}

static void refuse_long(struct session *session)
{
    struct harp_error error;

    limits_too_long(&session->parts->settings.limits, &error);
    refuse(session, &(struct request){ 0 }, &error);
}

static void refuse_surplus(struct session *session)
{
    char *message = memory_format("%zu connections are open: the dispatcher "
                                  "may not have more",
                                  session->parts->settings.limits.connections);

    refuse_session(session, &(struct request){ 0 }, "too_many_connections",
                   message);
    free(message);
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
    size_t limit = session->parts->settings.limits.request;
    struct text line;

    while (session->state == READING && !is_behind(session)) {
        bool whole = line_take(input, &line);
        size_t length = whole ? line.length : line_pending(input);

        if (!whole && length <= limit)
            break;
        uv_timer_stop(&session->timer);
        if (session->surplus)
            refuse_surplus(session);
        else if (length <= limit)
            take_request(session, line);
        else
            refuse_long(session);
    }
    if (line_pending(input) == 0 && input->buffer.capacity > ROOM_KEPT)
        line_free(input);
}

/* ---- reading ---- */

static char *give_space(void *owner)
{
    static char ignored[TRANSPORT_SPACE];
    struct session *session = owner;

    return session->state == READING
         ? line_space(&session->input, TRANSPORT_SPACE) : ignored;
}

/*
 * A hang-up is seen by reading, or by writing. So it is read on after the
 * last request, for nothing but that; and who is behind is written to.
 */
static void receive(struct session *session)
{
    transport_receive(&session->transport,
                      session->state != CHECKING
                      && (session->state != READING || !is_behind(session)));
}

/* What TLS has to say about it is on its way, and must not be cut off. */
static void give_up(struct session *session)
{
    char from[TRANSPORT_NAME];

    log_info("no client from=%s: TLS: %s",
             transport_name(&session->transport, from),
             session->transport.reason);
    exchanges_abandon(&session->exchanges);
    uv_timer_stop(&session->timer);
    linger(session);
}

static void on_received(void *owner, ssize_t size)
{
    struct session *session = owner;

    if (size == UV_EPROTO && session->state != LINGERING) {
        give_up(session);
    } else if (size < 0) {
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
    if (is_closing(session) || session->state == LINGERING)
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

size_t session_count_exchanges(const struct parts *parts)
{
    const struct session *session;
    size_t count = 0;

    LIST_FOREACH(session, &parts->sessions, link)
        count += session->exchanges.count;
    return count;
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

static void on_ready(void *owner)
{
    struct session *session = owner;

    uv_timer_start(&session->timer, on_timer, session->parts->settings.limits.idle, 0);
}

static const struct transport_user user = {
    on_ready, give_space, on_received, on_sent, on_ended, on_closed
};

static struct session *session_new(struct door *door)
{
    struct session *session = memory_new(sizeof *session);
    struct parts *parts = session->parts = door->parts;

    session->door = door;
    session->known = !door->users;
    session->surplus = parts->clients++ >= parts->settings.limits.connections;
    exchanges_init(&session->exchanges);
    LIST_INSERT_HEAD(&parts->sessions, session, link);
    uv_timer_init(&parts->loop, &session->timer);
    session->timer.data = session;
    session->handles = 2;
    return session;
}

void session_start(struct door *door)
{
    struct parts *parts = door->parts;
    struct session *session;

    if (parts->clients >= parts->most_clients) {
        doors_wait(door);
        return;
    }
    session = session_new(door);
    if (transport_start(&session->transport, &door->listener.stream,
                        door->tls, &user, session) != 0) {
        session_close(session);
        return;
    }
    on_ready(session);
    if (door->tls && parts->settings.limits.idle > HANDSHAKE_TIME)
        uv_timer_start(&session->timer, on_timer, HANDSHAKE_TIME, 0);
    receive(session);
}
