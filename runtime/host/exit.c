#include "host/exit.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "host/scheduler.h"
#include "host/state.h"

static bool closing;            /* a finalizer may call os.exit, too */

static int read_status(lua_State *L)
{
    if (lua_isboolean(L, 1))
        return lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE;
    return (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
}

void scheduler_leave(lua_State *L, const struct scheduler *scheduler)
{
    int status = scheduler->exit_status;

    if (!closing) {
        closing = true;
        lua_close(L);
    }
    exit(status);
}

/*
 * Its task waits for ever, and the main loop ends, so that nothing of Lua is
 * under way when the state is closed; where it cannot wait, that happens here.
 */
static int os_exit(lua_State *L)
{
    struct scheduler *scheduler = scheduler_of(L);

    scheduler->exit_status = read_status(L);
    if (!lua_isnoneornil(L, 2) && !lua_toboolean(L, 2))
        exit(scheduler->exit_status);
    if (!scheduler_can_yield(scheduler, L))
        scheduler_leave(L, scheduler);
    scheduler->leaving = true;
    scheduler->current->state = WAITING;
    scheduler_push_mark(L);
    return lua_yield(L, 1);
}

void exit_open(lua_State *L)
{
    lua_getglobal(L, "os");
    lua_pushcfunction(L, os_exit);
    lua_setfield(L, -2, "exit");
    lua_pop(L, 1);
}

bool exit_was_asked(lua_State *L, int *status)
{
    const struct scheduler *scheduler = scheduler_of(L);

    if (scheduler->leaving)
        *status = scheduler->exit_status;
    return scheduler->leaving;
}

/* In a protected call: only memory can be missing, and the state goes anyway. */
static int end_tasks(lua_State *L)
{
    task_end_all(L);
    return 0;
}

void exit_close(lua_State *L)
{
    scheduler_of(L)->leaving = false;   /* what is closed may wait */
    lua_pushcfunction(L, end_tasks);
    lua_pcall(L, 0, 0, 0);
    closing = true;
    state_close(L);
}
