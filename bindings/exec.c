/*
 * A command that runs, as `core` has it: its lines are taken one at a time;
 * taking waits. What its words and its end mean is for scripts/harp/exec.lua.
 */
#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "bindings/command.h"
#include "bindings/fields.h"
#include "bindings/harp.h"
#include "bindings/program.h"
#include "host/failure.h"
#include "host/task.h"

#define COMMAND "harp.command"

static struct command *command_check(lua_State *L)
{
    return *(struct command **)luaL_checkudata(L, 1, COMMAND);
}

/* [-0, +1, m] the type of an error; nil for none. */
static void push_trouble(lua_State *L, enum command_trouble trouble)
{
    static const char *const names[] = {
        [COMMAND_TIMEOUT] = "timeout",
        [COMMAND_LONG_LINE] = "line_too_long",
    };

    lua_pushstring(L, names[trouble]);
}

/* ---- waiting ---- */

/*
 * command:take() waits for a line. nil at the end of it all; nil and what
 * went wrong, "timeout" or "line_too_long", when that has ended it.
 */
static int take_or_wait(lua_State *L, int status, lua_KContext context)
{
    struct command *command = command_check(L);
    struct text line;
    int taken = command_take(command, &line);

    (void)status;
    if (taken == 0)
        return task_await(L, command_event(command), context, take_or_wait);
    if (taken < 0) {
        lua_pushnil(L);
        push_trouble(L, command_trouble(command));
        return 2;
    }
    lua_pushlstring(L, line.data, line.length);
    return 1;
}

static int exec_take(lua_State *L)
{
    lua_settop(L, 1);
    return take_or_wait(L, LUA_OK, 0);
}

/* [-0, +1, m] "TERM"; nil for no signal. */
static void push_signal(lua_State *L, int number)
{
    const char *name = number ? sigabbrev_np(number) : NULL;

    if (number && !name)
        lua_pushfstring(L, "%d", number);
    else
        lua_pushstring(L, name);
}

/*
 * command:wait() → its status or nil, the name of the signal that ended it or
 * nil, the last of its standard error, and what went wrong as take has it.
 */
static int wait_for_end(lua_State *L, int status, lua_KContext context)
{
    struct command *command = command_check(L);
    struct command_end end;

    (void)status;
    if (!command_has_ended(command, &end))
        return task_await(L, command_event(command), context, wait_for_end);
    if (end.status >= 0)
        lua_pushinteger(L, end.status);
    else
        lua_pushnil(L);
    push_signal(L, end.signal);
    lua_pushlstring(L, end.errors.data, end.errors.length);
    push_trouble(L, end.trouble);
    return 4;
}

/* What was not taken of its output is dropped. */
static int exec_wait(lua_State *L)
{
    command_discard(command_check(L));
    lua_settop(L, 1);
    return wait_for_end(L, LUA_OK, 0);
}

/* ---- ending it ---- */

/* "TERM", "SIGTERM" or a number. */
static int check_signal(lua_State *L, int index)
{
    const char *name = luaL_optstring(L, index, "TERM");
    int is, number = (int)lua_tointegerx(L, index, &is);

    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *known = sigabbrev_np(i);

        if (is ? i == number : known && strcmp(name, known) == 0)
            return i;
    }
    return luaL_argerror(L, index, "no such signal");
}

/* command:kill([signal]) → was it there to get it? */
static int exec_kill(lua_State *L)
{
    struct command *command = command_check(L);

    lua_pushboolean(L, command_signal(command, check_signal(L, 2)));
    return 1;
}

/* command:close() ends it. How it ended can still be waited for. */
static int exec_close(lua_State *L)
{
    struct command *command = command_check(L);

    command_end(command);
    command_discard(command);
    return 0;
}

static int exec_collect(lua_State *L)
{
    struct command **command = luaL_checkudata(L, 1, COMMAND);

    command_free(*command);
    *command = NULL;
    return 0;
}

/* ---- starting ---- */

/* [-0, +1, m] the strings of the list at the index, which keeps them. */
static char **push_strings(lua_State *L, int index)
{
    lua_Unsigned count = lua_rawlen(L, index);
    char **strings = lua_newuserdatauv(L, (count + 1) * sizeof *strings, 0);

    for (lua_Unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        strings[i] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    strings[count] = NULL;
    return strings;
}

/* [-0, +2, v] what the table at index 2 says of how words are to be run. */
static struct program check_program(lua_State *L)
{
    static const char *const errors[] = { "result", "merge", "log", NULL };
    struct program program = { .words = push_strings(L, 1) };

    lua_getfield(L, 2, "stdin");
    program.input.data = lua_tolstring(L, -1, &program.input.length);
    lua_getfield(L, 2, "stderr");
    program.errors =
        (enum program_errors)luaL_checkoption(L, -1, "result", errors);
    lua_pop(L, 2);
    program.directory = field_optional(L, "cwd");
    program.environment = environ;
    if (lua_getfield(L, 2, "env") == LUA_TTABLE)
        program.environment = push_strings(L, lua_gettop(L));
    return program;
}

/* [-0, +1, m] born closed: a memory error leaves nothing half open. */
static struct command **exec_new(lua_State *L)
{
    struct command **command = lua_newuserdatauv(L, sizeof *command, 0);

    *command = NULL;
    luaL_setmetatable(L, COMMAND);
    return command;
}

/*
 * exec(words, {cwd =, env = {"NAME=value", …}, stdin =, timeout = seconds,
 * stderr = "result" | "merge" | "log"}) → a command; raises a CommandError
 * when it cannot be started. All are strings, without NUL but for stdin.
 */
static int exec_start(lua_State *L)
{
    struct uv_loop_s *loop = scheduler_loop(scheduler_of(L));
    struct harp_error error;
    struct program program;
    struct command **command;
    double timeout;

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    timeout = field_seconds(L, "timeout", false);
    program = check_program(L);
    command = exec_new(L);
    *command = command_start(loop, &program, timeout, &error);
    return *command ? 1 : failure_raise(L, &error);
}

/* environment() → {NAME = value}: ours */
static int environment(lua_State *L)
{
    lua_newtable(L);
    for (char **entry = environ; *entry; entry++) {
        const char *value = strchr(*entry, '=');

        if (!value)
            continue;
        lua_pushlstring(L, *entry, (size_t)(value - *entry));
        lua_pushstring(L, value + 1);
        lua_rawset(L, -3);
    }
    return 1;
}

void exec_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "exec", exec_start },
        { "environment", environment },
        { NULL, NULL }
    };
    static const luaL_Reg methods[] = {
        { "take", exec_take },
        { "wait", exec_wait },
        { "kill", exec_kill },
        { "close", exec_close },
        { NULL, NULL }
    };

    luaL_newmetatable(L, COMMAND);
    lua_pushcfunction(L, exec_collect);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
