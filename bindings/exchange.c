/*
 * A request and its replies, with a dispatcher or a daemon. Replies are taken
 * one at a time; taking waits. What they mean is for scripts/harp/.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bindings/fields.h"
#include "bindings/harp.h"
#include "client/caller.h"
#include "client/server.h"
#include "host/failure.h"
#include "host/task.h"
#include "wire/request.h"

#define EXCHANGE "harp.exchange"

struct exchange {
    struct event event;         /* fired when there may be a reply */
    struct caller_request *request; /* one of the two, until it is closed */
    struct server_call *call;
    bool raw;                   /* replies are handed on as they are */
};

static void on_notify(void *owner)
{
    struct exchange *exchange = owner;

    event_fire(&exchange->event);
}

/*
 * [-0, +1, m] born closed: a memory error leaves nothing half open. It keeps
 * the value at the index, its peer, alive.
 */
static struct exchange *exchange_new(lua_State *L, int peer)
{
    struct exchange *exchange = lua_newuserdatauv(L, sizeof *exchange, 1);

    memset(exchange, 0, sizeof *exchange);
    event_init(&exchange->event, false);
    luaL_setmetatable(L, EXCHANGE);
    lua_pushvalue(L, peer);
    lua_setiuservalue(L, -2, 1);
    return exchange;
}

/* exchange:close() ends it; also when it is collected or goes out of scope. */
static int exchange_close(lua_State *L)
{
    struct exchange *exchange = luaL_checkudata(L, 1, EXCHANGE);

    caller_request_close(exchange->request);
    server_call_close(exchange->call);
    exchange->request = NULL;
    exchange->call = NULL;
    event_fire(&exchange->event);
    return 0;
}

/* ---- taking ---- */

/* [-0, +1, v] the value, or an error of the peer's when it is none. */
static void push_value(lua_State *L, struct text value)
{
    struct harp_error error;

    if (json_decode(L, value, &error) == 0)
        return;
    error.kind = COMMUNICATION_ERROR;
    failure_raise(L, &error);
}

/* [-0, +n, v] the name of the reply's kind and what belongs to it. */
static int push_reply(lua_State *L, const struct reply *reply)
{
    lua_pushstring(L, reply_name(reply->kind));
    switch (reply->kind) {
    case REPLY_CANCELLED:
        lua_pushboolean(L, reply->flag);
        return 2;
    case REPLY_NO_RESULT:
    case REPLY_CONTINUE:
    case REPLY_END:
        return 1;
    case REPLY_JOB_ID:
        push_value(L, reply->value);
        lua_pushboolean(L, reply->flag);
        return 3;
    case REPLY_PACKET:
        push_value(L, reply->value);
        lua_pushinteger(L, reply->number);
        if (reply->time > 0)
            lua_pushnumber(L, reply->time);
        else
            lua_pushnil(L);
        return 4;
    default:
        push_value(L, reply->value);
        return 2;
    }
}

static int push_answer(lua_State *L, const struct answer *answer)
{
    lua_pushstring(L, answer_name(answer->kind));
    push_value(L, answer->value);
    return 2;
}

/* How many values were pushed, 0 when nothing came yet, -1 on failure. */
static int take(lua_State *L, struct exchange *exchange,
                struct harp_error *error)
{
    struct reply reply;
    struct answer answer;
    struct text line;
    int taken;

    if (exchange->raw) {
        taken = caller_request_take_line(exchange->request, &line, error);
        if (taken == 1)
            push_value(L, line);
        return taken;
    }
    if (exchange->request) {
        taken = caller_request_take(exchange->request, &reply, error);
        return taken == 1 ? push_reply(L, &reply) : taken;
    }
    taken = server_call_take(exchange->call, &answer, error);
    return taken == 1 ? push_answer(L, &answer) : taken;
}

/*
 * exchange:take() waits for a reply: its kind and values. nil, the error and
 * whether the request may have arrived when none can come.
 */
static int take_or_wait(lua_State *L, int status, lua_KContext context)
{
    struct exchange *exchange = luaL_checkudata(L, 1, EXCHANGE);
    struct harp_error error;
    int taken;

    (void)status;
    if (!exchange->request && !exchange->call)
        return luaL_error(L, "this exchange was closed");
    taken = take(L, exchange, &error);
    if (taken > 0)
        return taken;
    if (taken == 0)
        return task_await(L, &exchange->event, context, take_or_wait);
    lua_pushnil(L);
    failure_push(L, &error);
    lua_pushboolean(L, exchange->call
                       || caller_request_was_sent(exchange->request));
    return 3;
}

static int exchange_take(lua_State *L)
{
    lua_settop(L, 1);
    return take_or_wait(L, LUA_OK, 0);
}

/* ---- starting ---- */

/*
 * request(caller, {fields}, operation) → exchange; request(caller, line)
 * sends a line of the script's own, and gives its replies as values.
 */
static int exchange_request(lua_State *L)
{
    struct caller *caller = caller_check(L, 1);
    struct exchange *exchange;
    struct request request;
    struct text line;

    if (lua_type(L, 2) == LUA_TSTRING) {
        line.data = lua_tolstring(L, 2, &line.length);
        exchange = exchange_new(L, 1);
        exchange->raw = true;
        exchange->request = caller_request_start_line(caller, line, on_notify,
                                                      exchange);
        return 1;
    }
    request_check(L, luaL_checkstring(L, 3), &request);
    exchange = exchange_new(L, 1);
    exchange->request = caller_request_start(caller, &request, on_notify,
                                             exchange);
    return 1;
}

/*
 * call(endpoint, {procedure=, arguments=, user=, password=, reply_timeout=,
 * idle_timeout=}) → exchange with a daemon.
 */
static int exchange_call(lua_State *L)
{
    const struct endpoint *endpoint = endpoint_check(L, 1);
    struct net *net = scheduler_net(scheduler_of(L));
    struct patience patience;
    struct exchange *exchange;
    struct call call;

    luaL_checktype(L, 2, LUA_TTABLE);
    call.procedure = field_string(L, "procedure");
    call.user = field_string(L, "user");
    call.password = field_string(L, "password");
    call.arguments = field_json(L, "arguments");
    patience = patience_check(L);
    exchange = exchange_new(L, 1);
    exchange->call = server_call_start(net, endpoint, &call, on_notify,
                                       exchange);
    if (patience.reply > 0 || patience.idle > 0)
        server_call_limit(exchange->call, patience);
    return 1;
}

void exchange_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "request", exchange_request },
        { "call", exchange_call },
        { NULL, NULL }
    };
    static const luaL_Reg methods[] = {
        { "take", exchange_take },
        { "close", exchange_close },
        { NULL, NULL }
    };

    luaL_newmetatable(L, EXCHANGE);
    lua_pushcfunction(L, exchange_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, exchange_close);
    lua_setfield(L, -2, "__close");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
