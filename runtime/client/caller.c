#include "client/caller.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "net/connection.h"

struct caller_request {
    struct connection *connection;
    bool ended;                 /* the last reply was taken */
};

struct caller_request *caller_request_start(struct net *net,
                                            const struct endpoint *endpoint,
                                            struct text line,
                                            void (*notify)(void *owner),
                                            void *owner)
{
    struct caller_request *request = memory_new(sizeof *request);

    request->connection = connection_open(net, endpoint, notify, owner);
    connection_send(request->connection, line);
    return request;
}

int caller_request_take_line(struct caller_request *request,
                             struct text *line, struct harp_error *error)
{
    return connection_take(request->connection, line, error);
}

int caller_request_take(struct caller_request *request, struct reply *reply,
                        struct harp_error *error)
{
    struct text line;
    int taken;

    if (request->ended)
        return error_set(error, COMMUNICATION_ERROR, "closed",
                         "the last reply was taken");
    taken = connection_take(request->connection, &line, error);
    if (taken == 1 && reply_read(reply, line, error) != 0)
        taken = -1;
    request->ended = taken == -1
                  || (taken == 1 && reply->kind != REPLY_PACKET);
    return taken;
}

void caller_request_close(struct caller_request *request)
{
    if (!request)
        return;
    connection_close(request->connection);
    free(request);
}
