/*
 * coroutine.resume, wrap, status and close for a state with tasks: when a
 * user's coroutine waits, its yield is the scheduler's and not meant for the
 * user's resume. It is handed on, level by level, to the task, and the
 * coroutine is resumed when the wait is over. Until then it is "normal", as
 * one that resumed another, and no other task can resume or close it.
 */
#include <lauxlib.h>

#include "host/scheduler.h"

/* Resuming by coroutine.resume, or by a function that wrap returned. */
enum manner { RESUME, WRAP };

static int resume_on(lua_State *L, int status, lua_KContext manner);

/* A wrapped coroutine's error, with the position as Lua itself adds it. */
static int raise_wrapped(lua_State *L, lua_State *thread)
{
    int status = lua_status(thread);

    if (status != LUA_OK && status != LUA_YIELD)
        lua_resetthread(thread);
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

/* [-1, +?, v] fails with the error on top. */
static int fail(lua_State *L, lua_State *thread, enum manner manner)
{
    if (manner == WRAP)
        return raise_wrapped(L, thread);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int succeed(lua_State *L, lua_State *thread, int results,
                   enum manner manner)
{
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(thread, results);
        lua_pushliteral(L, "too many results to resume");
        return fail(L, thread, manner);
    }
    if (manner == RESUME)
        lua_pushboolean(L, 1);
    lua_xmove(thread, L, results);
    return results + (manner == RESUME);
}

/*
 * The coroutine is at index 1, with its arguments already on its stack. While
 * it waits so does everything that resumed it.
 */
static int resume_with(lua_State *L, int arguments, enum manner manner)
{
    struct scheduler *scheduler = scheduler_of(L);
    lua_State *thread = lua_tothread(L, 1);
    int results = 0, status;

    for (;;) {
        status = scheduler_resume(scheduler, thread, L, arguments, &results);
        if (!scheduler_has_mark(thread))
            break;
        if (scheduler_can_yield(scheduler, L)) {
            scheduler_push_mark(L);
            return lua_yieldk(L, 1, manner, resume_on);
        }
        scheduler_wait_here(L, scheduler);
        lua_pop(thread, 1);             /* the mark */
        arguments = 0;
    }
    if (status == LUA_OK || status == LUA_YIELD)
        return succeed(L, thread, results, manner);
    lua_xmove(thread, L, 1);
    return fail(L, thread, manner);
}

static int resume_on(lua_State *L, int status, lua_KContext manner)
{
    (void)status;
    lua_settop(L, 1);
    lua_pop(lua_tothread(L, 1), 1);     /* the mark */
    return resume_with(L, 0, (enum manner)manner);
}

/* Is it one that can be resumed? Else pushes why not. */
static bool check_resumable(lua_State *L, lua_State *thread)
{
    bool fresh = lua_status(thread) == LUA_OK;

    if (lua_status(thread) == LUA_YIELD && !scheduler_has_mark(thread))
        return true;
    if (fresh && thread != L && lua_gettop(thread) > 0) {
        lua_Debug running;

        if (lua_getstack(thread, 0, &running) == 0)
            return true;
        lua_pushliteral(L, "cannot resume non-suspended coroutine");
        return false;
    }
    lua_pushstring(L, thread == L || scheduler_has_mark(thread)
                      ? "cannot resume non-suspended coroutine"
                      : "cannot resume dead coroutine");
    return false;
}

/* The coroutine is at index 1, its arguments above it. */
static int resume_first(lua_State *L, enum manner manner)
{
    lua_State *thread = lua_tothread(L, 1);
    int arguments = lua_gettop(L) - 1;

    if (!check_resumable(L, thread))
        return fail(L, thread, manner);
    if (!lua_checkstack(thread, arguments)) {
        lua_pushliteral(L, "too many arguments to resume");
        return fail(L, thread, manner);
    }
    lua_xmove(L, thread, arguments);
    return resume_with(L, arguments, manner);
}

static int coroutine_resume(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTHREAD);
    return resume_first(L, RESUME);
}

static int wrapped(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    return resume_first(L, WRAP);
}

static int coroutine_wrap(lua_State *L)
{
    lua_State *thread;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    thread = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, thread, 1);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

/* Calls Lua's own function, the upvalue. */
static int call_own(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int coroutine_status(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTHREAD);
    if (!scheduler_has_mark(lua_tothread(L, 1)))
        return call_own(L);
    lua_pushliteral(L, "normal");
    return 1;
}

static int coroutine_close(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTHREAD);
    if (!scheduler_has_mark(lua_tothread(L, 1)))
        return call_own(L);
    return luaL_error(L, "cannot close a normal coroutine");
}

/* [-0, +0, m] the library is on top. */
static void replace(lua_State *L, const char *name, lua_CFunction function)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
}

void coroutine_open(lua_State *L)
{
    if (lua_getglobal(L, "coroutine") == LUA_TTABLE) {
        replace(L, "resume", coroutine_resume);
        replace(L, "wrap", coroutine_wrap);
        replace(L, "status", coroutine_status);
        replace(L, "close", coroutine_close);
    }
    lua_pop(L, 1);
}
