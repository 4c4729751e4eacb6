#include "client/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "client/watchdog.h"
#include "net/connection.h"
#include "net/net.h"

#define LONGEST_ANSWER ((size_t)256 << 20)

enum call_state { SENT, ACCEPTED_VALUE, ACCEPTED_STREAM, CALL_ENDED };

struct server_call {
    struct net *net;
    struct connection *connection;
    enum call_state state;
    struct patience patience;
    struct watchdog *watchdog;  /* NULL when it may take any time */
    bool late;                  /* it barked */
    void (*notify)(void *owner);
    void *owner;
};

static void on_news(void *owner)
{
    struct server_call *call = owner;

    if (call->watchdog)
        watchdog_calm(call->watchdog);
    call->notify(call->owner);
}

struct server_call *server_call_start(struct net *net,
                                      const struct endpoint *endpoint,
                                      const struct call *call,
                                      void (*notify)(void *owner),
                                      void *owner)
{
    struct server_call *started = memory_new(sizeof *started);
    struct buffer line = { 0 };

    started->net = net;
    started->notify = notify;
    started->owner = owner;
    call_write(call, &line);
    started->connection = connection_open(net, endpoint, on_news, started);
    connection_limit_line(started->connection, LONGEST_ANSWER);
    connection_send(started->connection, buffer_text(&line));
    explicit_bzero(line.data, line.length);
    buffer_free(&line);
    return started;
}

static double limit_of(const struct server_call *call)
{
    return call->state == SENT ? call->patience.reply : call->patience.idle;
}

static void on_silence(void *owner)
{
    struct server_call *call = owner;

    if (!connection_is_silent(call->connection, limit_of(call))) {
        watchdog_watch(call->watchdog, limit_of(call));
        return;
    }
    call->late = true;
    call->notify(call->owner);
}

void server_call_limit(struct server_call *call, struct patience patience)
{
    call->patience = patience;
    if (!call->watchdog)
        call->watchdog = watchdog_new(net_loop(call->net), on_silence, call);
    watchdog_watch(call->watchdog, limit_of(call));
}

double server_call_time_open(const struct server_call *call)
{
    return connection_time_open(call->connection);
}

void server_call_look(struct server_call *call)
{
    connection_look(call->connection);
}

void server_call_limit_answer(struct server_call *call, size_t bytes)
{
    connection_limit_line(call->connection, bytes);
}

/* Which answers may come in which state, and what comes of them. */
static int advance(struct server_call *call, const struct answer *answer,
                   struct harp_error *error)
{
    bool accepted = call->state != SENT;
    bool fits = answer->kind == ANSWER_ERROR
        || (answer->kind == ANSWER_ACCEPTED && !accepted)
        || (answer->kind == ANSWER_PACKET && call->state == ACCEPTED_STREAM)
        || ((answer->kind == ANSWER_RESULT || answer->kind == ANSWER_EXCEPTION)
            && accepted);

    if (!fits)
        return error_set(error, COMMUNICATION_ERROR, "bad_protocol",
                         "the daemon answered out of order (%s)",
                         answer_name(answer->kind));
    if (answer->kind == ANSWER_ACCEPTED) {
        call->state = answer->flag ? ACCEPTED_STREAM : ACCEPTED_VALUE;
        if (call->watchdog)
            watchdog_watch(call->watchdog, limit_of(call));
    } else if (answer->kind != ANSWER_PACKET) {
        call->state = CALL_ENDED;
    }
    return 1;
}

int server_call_take(struct server_call *call, struct answer *answer,
                     struct harp_error *error)
{
    struct text line;
    int taken;

    if (call->state == CALL_ENDED)
        return error_set(error, COMMUNICATION_ERROR, "closed",
                         "the call has ended");
    taken = connection_take(call->connection, &line, error);
    if (taken == 1)
        taken = answer_read(answer, line, error) == 0
              ? advance(call, answer, error) : -1;
    if (taken == 0 && call->late)
        taken = error_set(error, COMMUNICATION_ERROR, "timeout",
                          "the daemon sent nothing for %g s",
                          limit_of(call));
    if (taken == -1)
        call->state = CALL_ENDED;
    return taken;
}

void server_call_close(struct server_call *call)
{
    if (!call)
        return;
    connection_close(call->connection);
    watchdog_free(call->watchdog);
    free(call);
}
