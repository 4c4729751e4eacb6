/* Ctrl-C as an event; and broken pipes as errors. */
#include <lauxlib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/memory.h"
#include "bindings/harp.h"
#include "host/task.h"

#define INTERRUPTS "harp.interrupts"
#define ECHO_TIME 50            /* ms: nobody types Ctrl-C again so fast */

/* While it is open SIGINT is counted here, and raises and ends nothing. */
struct interrupts {
    struct event event;
    uv_signal_t *handle;        /* NULL once closed, and where it is ignored */
    struct sigaction before;
    unsigned heard;             /* and not waited for yet */
    uint64_t last;              /* ms, of the loop */
};

/*
 * timeout(1) and others who pass on a signal send it to a process, and then to
 * all of its group: that is one Ctrl-C.
 */
static void on_signal(uv_signal_t *handle, int number)
{
    struct interrupts *interrupts = handle->data;
    uint64_t now = uv_now(handle->loop);
    bool is_echo = interrupts->last && now - interrupts->last < ECHO_TIME;

    (void)number;
    interrupts->last = now;
    if (is_echo)
        return;
    interrupts->heard++;
    event_fire(&interrupts->event);
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

/* interrupts:close(): SIGINT does what it did before. */
static int interrupts_close(lua_State *L)
{
    struct interrupts *interrupts = luaL_checkudata(L, 1, INTERRUPTS);

    if (interrupts->handle) {
        uv_close((uv_handle_t *)interrupts->handle, free_handle);
        sigaction(SIGINT, &interrupts->before, NULL);
    }
    interrupts->handle = NULL;
    return 0;
}

static int look(lua_State *L, int status, lua_KContext context)
{
    struct interrupts *interrupts = luaL_checkudata(L, 1, INTERRUPTS);

    (void)status;
    if (!interrupts->heard)
        return task_await(L, &interrupts->event, context, look);
    interrupts->heard--;
    return 0;
}

/* interrupts:wait() returns once for each Ctrl-C. */
static int interrupts_wait(lua_State *L)
{
    lua_settop(L, 1);
    return look(L, LUA_OK, 0);
}

/* Its wait alone keeps nothing going: the handle is not referenced. */
static void listen_for(struct interrupts *interrupts, uv_loop_t *loop)
{
    interrupts->handle = memory_new(sizeof *interrupts->handle);
    uv_signal_init(loop, interrupts->handle);
    interrupts->handle->data = interrupts;
    uv_signal_start(interrupts->handle, on_signal, SIGINT);
    uv_unref((uv_handle_t *)interrupts->handle);
}

/* interrupts() → Ctrl-C as something to wait for, until it is closed */
static int interrupts_new(lua_State *L)
{
    struct interrupts *interrupts = lua_newuserdatauv(L, sizeof *interrupts, 0);

    memset(interrupts, 0, sizeof *interrupts);
    event_init(&interrupts->event, false);
    luaL_setmetatable(L, INTERRUPTS);
    sigaction(SIGINT, NULL, &interrupts->before);
    if (interrupts->before.sa_handler != SIG_IGN)
        listen_for(interrupts, scheduler_loop(scheduler_of(L)));
    return 1;
}

static void ignore(int number)
{
    (void)number;
}

/*
 * survive_broken_pipes(true): from now on it is an error to write what nobody
 * reads any more, and not the end of the process; false: as it was before.
 * Commands do not inherit a handler.
 */
static int survive_broken_pipes(lua_State *L)
{
    static void (*before)(int);

    if (lua_toboolean(L, 1))
        before = signal(SIGPIPE, ignore);
    else
        signal(SIGPIPE, before);
    return 0;
}

void interrupts_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "interrupts", interrupts_new },
        { "survive_broken_pipes", survive_broken_pipes },
        { NULL, NULL }
    };
    static const luaL_Reg methods[] = {
        { "wait", interrupts_wait },
        { "close", interrupts_close },
        { NULL, NULL }
    };

    luaL_newmetatable(L, INTERRUPTS);
    lua_pushcfunction(L, interrupts_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, interrupts_close);
    lua_setfield(L, -2, "__close");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
