/*
 * A dispatcher as `core` has it, and the fields of requests to it. What the
 * replies mean is for scripts/harp/.
 */
#include <lauxlib.h>
#include <string.h>

#include "bindings/fields.h"
#include "bindings/harp.h"
#include "client/caller.h"
#include "host/task.h"
#include "wire/request.h"

#define CALLER "harp.dispatcher"

struct caller *caller_check(lua_State *L, int index)
{
    struct caller **caller = luaL_checkudata(L, index, CALLER);

    if (!*caller)
        luaL_error(L, "this caller was closed");
    return *caller;
}

static int caller_collect(lua_State *L)
{
    struct caller **caller = luaL_checkudata(L, 1, CALLER);

    caller_free(*caller);
    *caller = NULL;
    return 0;
}

/* ---- requests ---- */

static void take_call(lua_State *L, struct request *request)
{
    request->host = field_string(L, "host");
    request->procedure = field_string(L, "procedure");
    request->timeout = field_seconds(L, "timeout", false);
    request->max_exec_time = field_seconds(L, "max_exec_time", false);
    request->concurrency = field_integer(L, "concurrency", 1, 1);
    request->arguments = field_json(L, "arguments");
    request->queue = field_json(L, "queue");
    request->info = field_json(L, "info");
    request->dedup_key = field_json(L, "dedup_key");
    request->dedup_window = field_seconds(L, "dedup_window", false);
}

static void take_job(lua_State *L, struct request *request)
{
    request->job_id = field_string(L, "job_id");
    request->wait = field_boolean(L, "wait");
    request->since = field_integer(L, "since", 0, -1);
    request->recent = field_integer(L, "recent", 0, -1);
    request->timestamps = field_boolean(L, "timestamps");
}

static void take_filter(lua_State *L, struct request *request)
{
    struct request_filter *filter = &request->filter;

    filter->host = field_optional(L, "host");
    filter->procedure = field_optional(L, "procedure");
    filter->queue = field_json(L, "queue");
    filter->state = field_optional(L, "state");
    filter->info = field_optional(L, "info");
    filter->since = field_seconds(L, "since", false);
    filter->until = field_seconds(L, "until", false);
    filter->limit = field_integer(L, "limit", 0, -1);
}

static void take_nothing(lua_State *L, struct request *request)
{
    (void)L;
    (void)request;
}

static const struct {
    const char *name;
    enum request_kind kind;
    void (*take)(lua_State *L, struct request *request);
} operations[] = {
    { "call", REQUEST_CALL, take_call },
    { "cancel", REQUEST_CANCEL, take_job },
    { "get_result", REQUEST_GET_RESULT, take_job },
    { "get_status", REQUEST_GET_STATUS, take_job },
    { "follow_stream", REQUEST_FOLLOW_STREAM, take_job },
    { "read_stream", REQUEST_READ_STREAM, take_job },
    { "list_jobs", REQUEST_LIST_JOBS, take_filter },
    { "list_queues", REQUEST_LIST_QUEUES, take_nothing },
    { "list_hosts", REQUEST_LIST_HOSTS, take_nothing },
};

void request_check(lua_State *L, const char *operation,
                   struct request *request)
{
    size_t i = 0;

    luaL_checktype(L, 2, LUA_TTABLE);
    while (strcmp(operations[i].name, operation) != 0)
        if (++i == sizeof operations / sizeof *operations)
            luaL_error(L, "no operation \"%s\"", operation);
    *request = (struct request){ .kind = operations[i].kind };
    operations[i].take(L, request);
}

/* ---- the object ---- */

struct patience patience_check(lua_State *L)
{
    return (struct patience){
        .reply = field_seconds(L, "reply_timeout", true),
        .idle = field_seconds(L, "idle_timeout", true),
    };
}

/*
 * caller(endpoint, {reply_timeout = seconds, idle_timeout = seconds, user =,
 * password =}) → a dispatcher; 0 is no limit. Nothing is connected yet.
 */
static int caller_make(lua_State *L)
{
    const struct endpoint *endpoint = endpoint_check(L, 1);
    struct patience patience;
    struct caller **caller;
    const char *user, *password;

    luaL_checktype(L, 2, LUA_TTABLE);
    patience = patience_check(L);
    user = field_optional(L, "user");
    password = user ? field_string(L, "password") : NULL;
    caller = lua_newuserdatauv(L, sizeof *caller, 0);
    *caller = NULL;
    luaL_setmetatable(L, CALLER);
    *caller = caller_new(scheduler_net(scheduler_of(L)), endpoint, patience);
    if (user)
        caller_login(*caller, user, password);
    return 1;
}

/*
 * caller:is_extended() → true or false: does it know extensions? nil when
 * that is not known yet.
 */
static int caller_is_extended(lua_State *L)
{
    enum caller_knowledge knowledge = caller_knows(caller_check(L, 1));

    if (knowledge == CALLER_UNKNOWN)
        lua_pushnil(L);
    else
        lua_pushboolean(L, knowledge == CALLER_EXTENDED);
    return 1;
}

void caller_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "is_extended", caller_is_extended },
        { NULL, NULL }
    };

    luaL_newmetatable(L, CALLER);
    lua_pushcfunction(L, caller_collect);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushcfunction(L, caller_make);
    lua_setfield(L, -2, "caller");
}
