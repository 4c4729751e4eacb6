/*
 * A request and its replies, with a dispatcher or a daemon. Replies are taken
 * one at a time; taking waits. What they mean is for scripts/harp/.
 */
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
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

/* [-0, +1, m] born closed: a memory error leaves nothing half open. */
static struct exchange *exchange_new(lua_State *L)
{
    struct exchange *exchange = lua_newuserdatauv(L, sizeof *exchange, 0);

    memset(exchange, 0, sizeof *exchange);
    event_init(&exchange->event, false);
    luaL_setmetatable(L, EXCHANGE);
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
        return 1;
    case REPLY_PACKET:
        push_value(L, reply->value);
        lua_pushinteger(L, reply->number);
        return 3;
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
 * exchange:take() waits for a reply: its kind and values. nil and the error
 * when none can come.
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
    return 2;
}

static int exchange_take(lua_State *L)
{
    lua_settop(L, 1);
    return take_or_wait(L, LUA_OK, 0);
}

/* ---- starting ---- */

/* [-0, +0, v] fields of the table at 2, checked; the strings stay Lua's. */
static char *field_string(lua_State *L, const char *name)
{
    char *string;

    if (lua_getfield(L, 2, name) != LUA_TSTRING)
        luaL_error(L, "%s must be a string, not %s", name,
                   lua_isnil(L, -1) ? "nil" : luaL_typename(L, -1));
    string = (char *)(uintptr_t)lua_tostring(L, -1);
    if (strlen(string) != lua_rawlen(L, -1))
        luaL_error(L, "%s has a NUL character", name);
    lua_pop(L, 1);              /* the table keeps it */
    return string;
}

static double field_seconds(lua_State *L, const char *name)
{
    double seconds = 0;

    if (lua_getfield(L, 2, name) != LUA_TNIL) {
        seconds = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        if (!isfinite(seconds) || seconds <= 0)
            luaL_error(L, "%s must be a number of seconds above 0", name);
    }
    lua_pop(L, 1);
    return seconds;
}

static int64_t field_integer(lua_State *L, const char *name,
                             lua_Integer least, lua_Integer otherwise)
{
    lua_Integer integer = otherwise;
    int is;

    if (lua_getfield(L, 2, name) != LUA_TNIL) {
        integer = lua_tointegerx(L, -1, &is);
        if (!is || integer < least)
            luaL_error(L, "%s must be an integer of at least %I", name, least);
    }
    lua_pop(L, 1);
    return integer;
}

/* [-0, +0|1, v] a value's JSON text, kept by a string left on the stack. */
static char *field_json(lua_State *L, const char *name)
{
    struct text text;

    if (lua_getfield(L, 2, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return NULL;
    }
    text = json_encode(L, -1, name);
    lua_pushlstring(L, text.data, text.length);
    lua_replace(L, -2);
    return (char *)(uintptr_t)lua_tostring(L, -1);
}

static void read_call(lua_State *L, struct request *request)
{
    request->host = field_string(L, "host");
    request->procedure = field_string(L, "procedure");
    request->timeout = field_seconds(L, "timeout");
    request->max_exec_time = field_seconds(L, "max_exec_time");
    request->concurrency = field_integer(L, "concurrency", 1, 1);
    request->arguments = field_json(L, "arguments");
    request->queue = field_json(L, "queue");
    request->info = field_json(L, "info");
}

static void read_job(lua_State *L, struct request *request)
{
    request->job_id = field_string(L, "job_id");
    lua_getfield(L, 2, "wait");
    request->wait = lua_toboolean(L, -1);
    lua_pop(L, 1);
    request->since = field_integer(L, "since", 0, -1);
    request->recent = field_integer(L, "recent", 0, -1);
}

/* [-0, +1, v] the request's line, from the operation at 1's name. */
static void push_line(lua_State *L, const char *operation)
{
    static const struct {
        const char *name;
        enum request_kind kind;
    } operations[] = {
        { "call", REQUEST_CALL },
        { "cancel", REQUEST_CANCEL },
        { "get_result", REQUEST_GET_RESULT },
        { "get_status", REQUEST_GET_STATUS },
        { "follow_stream", REQUEST_FOLLOW_STREAM },
        { "read_stream", REQUEST_READ_STREAM },
    };
    struct request request = { 0 };
    struct buffer line = { 0 };
    size_t i = 0;

    while (strcmp(operations[i].name, operation) != 0)
        if (++i == sizeof operations / sizeof *operations)
            luaL_error(L, "no operation \"%s\"", operation);
    request.kind = operations[i].kind;
    if (request.kind == REQUEST_CALL)
        read_call(L, &request);
    else
        read_job(L, &request);
    request_write(&request, &line);
    lua_pushlstring(L, line.data, line.length);
    buffer_free(&line);
}

/*
 * request(endpoint, {fields}, operation) → exchange; request(endpoint, line)
 * sends a line of the caller's own, and gives its replies as values.
 */
static int exchange_request(lua_State *L)
{
    const struct endpoint *endpoint = endpoint_check(L, 1);
    struct net *net = scheduler_net(scheduler_of(L));
    bool raw = lua_type(L, 2) == LUA_TSTRING;
    struct exchange *exchange;
    struct text line;

    if (raw)
        lua_pushvalue(L, 2);
    else
        push_line(L, luaL_checkstring(L, 3));
    line.data = lua_tolstring(L, -1, &line.length);
    exchange = exchange_new(L);
    exchange->raw = raw;
    exchange->request = caller_request_start(net, endpoint, line, on_notify,
                                             exchange);
    return 1;
}

/*
 * call(endpoint, {procedure=, arguments=, user=, password=}) → exchange with
 * a daemon.
 */
static int exchange_call(lua_State *L)
{
    const struct endpoint *endpoint = endpoint_check(L, 1);
    struct net *net = scheduler_net(scheduler_of(L));
    struct exchange *exchange;
    struct call call;

    call.procedure = field_string(L, "procedure");
    call.user = field_string(L, "user");
    call.password = field_string(L, "password");
    call.arguments = field_json(L, "arguments");
    exchange = exchange_new(L);
    exchange->call = server_call_start(net, endpoint, &call, on_notify,
                                       exchange);
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
