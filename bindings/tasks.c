/* spawn, sleep, run, and what Lua builds the rest from: events, alarms. */
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "base/memory.h"
#include "bindings/harp.h"
#include "host/task.h"

#define SLEEPER "harp.sleeper"
#define EVENT "harp.event"
#define ALARM "harp.alarm"

#define LONGEST 1e9             /* seconds that a timer can hold well */

/* ---- timers ---- */

static void free_timer(uv_handle_t *handle)
{
    free(handle);
}

static double check_seconds(lua_State *L, int index)
{
    double seconds = luaL_checknumber(L, index);

    luaL_argcheck(L, seconds >= 0 && seconds <= LONGEST, index,
                  "seconds must be from 0 to 1e9");
    return seconds;
}

static uv_timer_t *start_timer(lua_State *L, double seconds,
                               void (*ring)(uv_timer_t *timer), void *owner)
{
    uv_loop_t *loop = scheduler_loop(scheduler_of(L));
    uv_timer_t *timer = memory_new(sizeof *timer);

    uv_timer_init(loop, timer);
    timer->data = owner;
    uv_update_time(loop);
    uv_timer_start(timer, ring, (uint64_t)ceil(seconds * 1e3), 0);
    return timer;
}

/* ---- sleep ---- */

struct sleeper {
    struct event event;
    uv_timer_t *timer;          /* NULL once it has rung */
};

static void stop_timer(struct sleeper *sleeper)
{
    if (sleeper->timer)
        uv_close((uv_handle_t *)sleeper->timer, free_timer);
    sleeper->timer = NULL;
}

static void on_ring(uv_timer_t *timer)
{
    struct sleeper *sleeper = timer->data;

    stop_timer(sleeper);
    event_fire(&sleeper->event);
}

static int sleeper_close(lua_State *L)
{
    stop_timer(luaL_checkudata(L, 1, SLEEPER));
    return 0;
}

static int wake_up(lua_State *L, int status, lua_KContext context)
{
    struct sleeper *sleeper = lua_touserdata(L, 2);

    (void)status;
    return sleeper->timer
        ? task_await(L, &sleeper->event, context, wake_up) : 0;
}

/* harp.sleep(seconds) lets other tasks run for that long. */
static int tasks_sleep(lua_State *L)
{
    double seconds = check_seconds(L, 1);
    struct sleeper *sleeper;

    lua_settop(L, 1);
    sleeper = lua_newuserdatauv(L, sizeof *sleeper, 0);
    memset(sleeper, 0, sizeof *sleeper);
    event_init(&sleeper->event, false);
    luaL_setmetatable(L, SLEEPER);
    lua_toclose(L, 2);          /* a sleep that is cancelled ends its timer */
    sleeper->timer = start_timer(L, seconds, on_ring, sleeper);
    return wake_up(L, LUA_OK, 0);
}

/* now() → seconds of a clock that only goes forward */
static int tasks_now(lua_State *L)
{
    lua_pushnumber(L, (double)uv_hrtime() / 1e9);
    return 1;
}

/* time() → unix seconds, with their fraction */
static int tasks_time(lua_State *L)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    lua_pushnumber(L, (double)now.tv_sec + (double)now.tv_nsec / 1e9);
    return 1;
}

/* ---- events ---- */

struct latch {
    struct event event;
    bool fired;
};

/* event() → an event that has not been fired */
static int latch_new(lua_State *L)
{
    struct latch *latch = lua_newuserdatauv(L, sizeof *latch, 0);

    latch->fired = false;
    event_init(&latch->event, true);
    luaL_setmetatable(L, EVENT);
    return 1;
}

/* event:fire() ends all waits for it, for good. */
static int latch_fire(lua_State *L)
{
    struct latch *latch = luaL_checkudata(L, 1, EVENT);

    latch->fired = true;
    event_fire(&latch->event);
    return 0;
}

static int latch_look(lua_State *L, int status, lua_KContext context)
{
    struct latch *latch = luaL_checkudata(L, 1, EVENT);

    (void)status;
    return latch->fired
        ? 0 : task_await(L, &latch->event, context, latch_look);
}

/* event:wait() returns at once if it was fired before. */
static int latch_wait(lua_State *L)
{
    lua_settop(L, 1);
    return latch_look(L, LUA_OK, 0);
}

/* ---- alarms ---- */

/* Cancels a task when its time is over; also one that waits in place. */
struct alarm {
    uv_timer_t *timer;          /* NULL once it has rung, or was closed */
    struct task *task;          /* kept by a user value */
    bool rang;
};

static void on_alarm(uv_timer_t *timer)
{
    struct alarm *alarm = timer->data;

    uv_close((uv_handle_t *)timer, free_timer);
    alarm->timer = NULL;
    alarm->rang = true;
    task_cancel(alarm->task);
}

/* alarm:close() → did it ring? */
static int alarm_close(lua_State *L)
{
    struct alarm *alarm = luaL_checkudata(L, 1, ALARM);

    if (alarm->timer)
        uv_close((uv_handle_t *)alarm->timer, free_timer);
    alarm->timer = NULL;
    lua_pushboolean(L, alarm->rang);
    return 1;
}

/* alarm(task, seconds) → alarm */
static int alarm_new(lua_State *L)
{
    struct task *task = task_check(L, 1);
    double seconds = check_seconds(L, 2);
    struct alarm *alarm = lua_newuserdatauv(L, sizeof *alarm, 1);

    memset(alarm, 0, sizeof *alarm);
    luaL_setmetatable(L, ALARM);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    alarm->task = task;
    alarm->timer = start_timer(L, seconds, on_alarm, alarm);
    return 1;
}

/* ---- tasks ---- */

/* harp.spawn(function, ...) → task */
static int tasks_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    task_spawn(L, lua_gettop(L) - 1);
    return 1;
}

/* was_cancelled() → was the running task cancelled, now or before? */
static int tasks_was_cancelled(lua_State *L)
{
    lua_pushboolean(L, task_was_cancelled(L));
    return 1;
}

/* context() → what the running task has for a context; nil outside tasks */
static int tasks_context(lua_State *L)
{
    task_push_context(L);
    return 1;
}

/*
 * set_context(value): from now on that is the context of the running task; those
 * that it spawns get it, too, or what its metamethod __child makes of it.
 */
static int tasks_set_context(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!task_is_inside(L))
        return luaL_error(L, "only a task has a context");
    lua_settop(L, 1);
    task_set_context(L);
    return 0;
}

static int called(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    return lua_gettop(L);
}

/*
 * harp.run(function, ...) → its results, when it and every task that it
 * spawned have ended. For a program that is not run by harp; inside a task
 * it is a plain call.
 */
static int tasks_run(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    if (task_is_inside(L)) {
        lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, called);
        return called(L, LUA_OK, 0);
    }
    if (task_run(L, lua_gettop(L) - 1) != 0) {
        task_join_report(L);
        return lua_error(L);
    }
    return lua_gettop(L);
}

void tasks_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "sleep", tasks_sleep },
        { "now", tasks_now },
        { "time", tasks_time },
        { "event", latch_new },
        { "alarm", alarm_new },
        { "spawn", tasks_spawn },
        { "run", tasks_run },
        { "was_cancelled", tasks_was_cancelled },
        { "context", tasks_context },
        { "set_context", tasks_set_context },
        { NULL, NULL }
    };
    static const luaL_Reg methods[] = {
        { "fire", latch_fire },
        { "wait", latch_wait },
        { NULL, NULL }
    };

    luaL_newmetatable(L, SLEEPER);
    lua_pushcfunction(L, sleeper_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, sleeper_close);
    lua_setfield(L, -2, "__close");
    luaL_newmetatable(L, EVENT);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newmetatable(L, ALARM);
    lua_pushcfunction(L, alarm_close);
    lua_setfield(L, -2, "__gc");
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, alarm_close);
    lua_setfield(L, -2, "close");
    lua_setfield(L, -2, "__index");
    lua_pop(L, 3);
    luaL_setfuncs(L, functions, 0);
}
