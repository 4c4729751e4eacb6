#include "client/caller.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "client/channel.h"
#include "client/watchdog.h"
#include "net/connection.h"
#include "net/endpoint.h"
#include "net/net.h"
#include "wire/request.h"

/* What is longer is refused by dispatchers, and ends the connection. */
#define SHARED_LIMIT ((1 << 20) - 64)   /* bytes, with room for a tag */

struct caller {
    struct net *net;
    struct endpoint endpoint;
    struct patience patience;
    char *user;                 /* NULL when nobody has to know */
    char *password;
    struct channel *channel;
};

/*
 *   WAITING ──► SHARED ──► REPLIED ──► OVER
 *      │           └──► FAILED
 *      └──► OWN ──► OVER         a connection of its own, to the end
 *            └──► FAILED
 */
enum request_state { WAITING, SHARED, REPLIED, OWN, FAILED, OVER };

struct caller_request {
    struct channel_user user;
    struct caller *caller;
    enum request_state state;
    bool shares;                /* the channel's connection, if it is open */
    const char *extension;      /* that it needs, or NULL */
    struct buffer line;         /* WAITING: its own; REPLIED: the reply */
    struct connection *connection;      /* OWN */
    struct watchdog *watchdog;          /* OWN */
    uint64_t end;               /* of its line, in all that was sent */
    bool sent;                  /* FAILED: it may have arrived */
    struct harp_error *error;   /* FAILED */
    void (*notify)(void *owner);
    void *owner;
};

/* ---- failing ---- */

static void note_failure(struct caller_request *request,
                         const struct harp_error *error, bool sent)
{
    request->state = FAILED;
    request->sent = sent;
    request->error = memory_new(sizeof *request->error);
    *request->error = *error;
}

static void fail(struct caller_request *request,
                 const struct harp_error *error, bool sent)
{
    note_failure(request, error, sent);
    buffer_free(&request->line);
    request->notify(request->owner);
}

static void fail_unsupported(struct caller_request *request)
{
    char *name = endpoint_name(&request->caller->endpoint);
    struct harp_error error;

    error_set(&error, USAGE_ERROR, "unsupported", "the dispatcher at %s does "
              "not know the extension \"%s\", as stock ones do not",
              name, request->extension);
    free(name);
    fail(request, &error, false);
}

/* ---- a connection of its own ---- */

static void close_connection(struct caller_request *request)
{
    connection_close(request->connection);
    watchdog_free(request->watchdog);
    request->connection = NULL;
    request->watchdog = NULL;
}

static void on_news(void *owner)
{
    struct caller_request *request = owner;

    if (request->watchdog)
        watchdog_calm(request->watchdog);
    request->notify(request->owner);
}

static double limit_of(const struct caller_request *request)
{
    return request->user.waits ? request->caller->patience.idle
                               : request->caller->patience.reply;
}

static void on_silence(void *owner)
{
    struct caller_request *request = owner;
    double seconds = limit_of(request);
    struct harp_error error;
    char *name;
    bool sent;

    if (!connection_is_silent(request->connection, seconds)) {
        watchdog_watch(request->watchdog, seconds);
        return;
    }
    sent = connection_has_sent(request->connection, request->end);
    name = endpoint_name(&request->caller->endpoint);
    error_set(&error, COMMUNICATION_ERROR, "timeout",
              "%s: nothing came for %g s", name, seconds);
    free(name);
    close_connection(request);
    fail(request, &error, sent);
}

/* The line, with who asks. */
static void send_own(struct caller_request *request, struct text line)
{
    const struct caller *caller = request->caller;
    struct buffer whole = { 0 };

    if (caller->user)
        request_add_auth(&whole, line, caller->user, caller->password);
    connection_send(request->connection,
                    caller->user ? buffer_text(&whole) : line);
    buffer_wipe(&whole);
}

static void open_own(struct caller_request *request, struct text line)
{
    struct caller *caller = request->caller;

    request->state = OWN;
    request->connection = connection_open(caller->net, &caller->endpoint,
                                          on_news, request);
    send_own(request, line);
    request->end = connection_position(request->connection);
    if (limit_of(request) > 0) {
        request->watchdog = watchdog_new(net_loop(caller->net), on_silence,
                                         request);
        watchdog_watch(request->watchdog, limit_of(request));
    }
    buffer_free(&request->line);
}

/* ---- the shared one ---- */

static void on_replied(struct channel_user *user, struct text line)
{
    struct caller_request *request = (struct caller_request *)user;

    request->state = REPLIED;
    buffer_add_text(&request->line, line);
    request->notify(request->owner);
}

static void on_failed(struct channel_user *user,
                      const struct harp_error *error, bool sent)
{
    fail((struct caller_request *)user, error, sent);
}

static void send_shared(struct caller_request *request, struct text line)
{
    request->state = SHARED;
    channel_send(request->caller->channel, &request->user, line);
    buffer_free(&request->line);
}

/* It is known what the dispatcher knows. */
static void on_ready(struct channel_user *user)
{
    struct caller_request *request = (struct caller_request *)user;
    struct channel *channel = request->caller->channel;
    struct text line = buffer_text(&request->line);

    if (request->extension && !channel_has(channel, request->extension))
        fail_unsupported(request);
    else if (request->shares && channel_has(channel, "tag"))
        send_shared(request, line);
    else
        open_own(request, line);
}

/* ---- starting ---- */

static const char *extension_of(const struct request *request)
{
    switch (request->kind) {
    case REQUEST_CALL:
        return request->dedup_key ? "dedup" : NULL;
    case REQUEST_FOLLOW_STREAM:
    case REQUEST_READ_STREAM:
        return request->timestamps ? "timestamps" : NULL;
    case REQUEST_LIST_JOBS:
    case REQUEST_LIST_QUEUES:
    case REQUEST_LIST_HOSTS:
        return "list";
    default:
        return NULL;
    }
}

static bool is_shared(enum request_kind kind)
{
    return kind == REQUEST_CALL || kind == REQUEST_CANCEL
        || kind == REQUEST_GET_RESULT || kind == REQUEST_GET_STATUS;
}

static struct caller_request *request_new(struct caller *caller,
                                          void (*notify)(void *owner),
                                          void *owner)
{
    struct caller_request *request = memory_new(sizeof *request);

    request->user.ready = on_ready;
    request->user.replied = on_replied;
    request->user.failed = on_failed;
    request->caller = caller;
    request->notify = notify;
    request->owner = owner;
    return request;
}

struct caller_request *caller_request_start(struct caller *caller,
                                            const struct request *request,
                                            void (*notify)(void *owner),
                                            void *owner)
{
    struct caller_request *started = request_new(caller, notify, owner);
    enum channel_state state;

    started->extension = extension_of(request);
    started->user.waits = request->kind == REQUEST_FOLLOW_STREAM
        || (request->kind == REQUEST_GET_RESULT && request->wait);
    request_write(request, &started->line);
    started->shares = is_shared(request->kind)
        && started->line.length <= SHARED_LIMIT;
    if (!started->shares && !started->extension) {
        open_own(started, buffer_text(&started->line));
        return started;
    }
    if (request->kind == REQUEST_CALL)
        channel_look(caller->channel);
    state = channel_state(caller->channel);
    if (state == CHANNEL_CLOSED || state == CHANNEL_GREETING)
        channel_wait(caller->channel, &started->user);
    else
        on_ready(&started->user);
    return started;
}

struct caller_request *caller_request_start_line(struct caller *caller,
                                                 struct text line,
                                                 void (*notify)(void *owner),
                                                 void *owner)
{
    struct caller_request *started = request_new(caller, notify, owner);

    started->user.waits = true;
    open_own(started, line);
    return started;
}

/* ---- taking ---- */

/* One connection too many is no answer to what was asked: it was not read. */
static bool is_turned_away(const struct reply *reply)
{
    return reply->kind == REPLY_ERROR
        && reply_failure_is(reply, "too_many_connections");
}

static int turn_away(struct caller_request *request, struct harp_error *error)
{
    char *name = endpoint_name(&request->caller->endpoint);

    error_set(error, COMMUNICATION_ERROR, "too_many_connections",
              "%s: the dispatcher has too many connections", name);
    free(name);
    note_failure(request, error, false);
    close_connection(request);
    return -1;
}

static int take_own(struct caller_request *request, struct reply *reply,
                    struct harp_error *error)
{
    struct text line;
    int taken = connection_take(request->connection, &line, error);

    if (taken == 1 && reply_read(reply, line, error) != 0)
        taken = -1;
    if (taken == 1 && is_turned_away(reply))
        return turn_away(request, error);
    if (taken == -1) {
        note_failure(request, error,
                     connection_has_sent(request->connection, request->end));
        close_connection(request);
    }
    if (taken == 1 && !reply_is_partial(reply->kind))
        request->state = OVER;
    return taken;
}

static int take_shared(struct caller_request *request, struct reply *reply,
                       struct harp_error *error)
{
    request->state = OVER;
    return reply_read(reply, buffer_text(&request->line), error) == 0
        ? 1 : -1;
}

int caller_request_take(struct caller_request *request, struct reply *reply,
                        struct harp_error *error)
{
    switch (request->state) {
    case WAITING:
    case SHARED:
        return 0;
    case REPLIED:
        return take_shared(request, reply, error);
    case OWN:
        return take_own(request, reply, error);
    case FAILED:
        *error = *request->error;
        return -1;
    case OVER:
        break;
    }
    return error_set(error, COMMUNICATION_ERROR, "closed",
                     "the last reply was taken");
}

int caller_request_take_line(struct caller_request *request,
                             struct text *line, struct harp_error *error)
{
    if (request->state == OWN)
        return connection_take(request->connection, line, error);
    *error = *request->error;
    return -1;
}

bool caller_request_was_sent(const struct caller_request *request)
{
    return request->sent;
}

void caller_request_close(struct caller_request *request)
{
    if (!request)
        return;
    if (request->state == WAITING || request->state == SHARED)
        channel_leave(request->caller->channel, &request->user);
    close_connection(request);
    buffer_free(&request->line);
    free(request->error);
    free(request);
}

/* ---- the caller ---- */

struct caller *caller_new(struct net *net, const struct endpoint *endpoint,
                          struct patience patience)
{
    struct caller *caller = memory_new(sizeof *caller);

    caller->net = net;
    caller->patience = patience;
    endpoint_copy(&caller->endpoint, endpoint);
    caller->channel = channel_new(net, &caller->endpoint, patience);
    return caller;
}

void caller_login(struct caller *caller, const char *user,
                  const char *password)
{
    caller->user = memory_string(user);
    caller->password = memory_string(password);
    channel_login(caller->channel, caller->user, caller->password);
}

void caller_free(struct caller *caller)
{
    if (!caller)
        return;
    channel_free(caller->channel);
    if (caller->password)
        explicit_bzero(caller->password, strlen(caller->password));
    free(caller->user);
    free(caller->password);
    endpoint_free(&caller->endpoint);
    free(caller);
}

enum caller_knowledge caller_knows(const struct caller *caller)
{
    if (channel_is_stock(caller->channel))
        return CALLER_STOCK;
    return channel_has(caller->channel, "tag") ? CALLER_EXTENDED
                                               : CALLER_UNKNOWN;
}
