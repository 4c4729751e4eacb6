#include "client/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "net/connection.h"

enum call_state { SENT, ACCEPTED_VALUE, ACCEPTED_STREAM, CALL_ENDED };

struct server_call {
    struct connection *connection;
    enum call_state state;
};

struct server_call *server_call_start(struct net *net,
                                      const struct endpoint *endpoint,
                                      const struct call *call,
                                      void (*notify)(void *owner),
                                      void *owner)
{
    struct server_call *started = memory_new(sizeof *started);
    struct buffer line = { 0 };

    call_write(call, &line);
    started->connection = connection_open(net, endpoint, notify, owner);
    connection_send(started->connection, buffer_text(&line));
    explicit_bzero(line.data, line.length);
    buffer_free(&line);
    return started;
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
    if (answer->kind == ANSWER_ACCEPTED)
        call->state = answer->flag ? ACCEPTED_STREAM : ACCEPTED_VALUE;
    else if (answer->kind != ANSWER_PACKET)
        call->state = CALL_ENDED;
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
    if (taken == -1)
        call->state = CALL_ENDED;
    return taken;
}

void server_call_close(struct server_call *call)
{
    if (!call)
        return;
    connection_close(call->connection);
    free(call);
}
