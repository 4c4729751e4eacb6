#include "daemon/procedures.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "bindings/harp.h"
#include "daemon/account.h"
#include "daemon/terms.h"
#include "host/state.h"
#include "host/task.h"
#include "net/trace.h"

#define MODULE 1                /* stack index of harp.procedures */

struct procedures {
    lua_State *L;
    const struct performance *performance;  /* of the one call */
    enum answer_kind last;
    struct buffer line;         /* that is being sent */
};

/* [-0, +0, m] */
static void preload(lua_State *L, const char *name, lua_CFunction open)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, open);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

struct procedures *procedures_new(void)
{
    struct procedures *procedures = memory_new(sizeof *procedures);
    lua_State *L = procedures->L = state_new(harp_modules);

    trace_on = false;           /* procedures are the log's, not a human's */
    preload(L, "harp.daemon", account_open);
    if (luaL_dostring(L, "require 'harp' return require 'harp.procedures'")) {
        fprintf(stderr, "harp: %s\n", lua_tostring(L, -1));
        abort();
    }
    return procedures;
}

int procedures_load(struct procedures *procedures, const char *path,
                    struct harp_error *error)
{
    lua_State *L = procedures->L;
    int status = 0;

    lua_getfield(L, MODULE, "load_file");
    lua_pushstring(L, path);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        status = error_set(error, USAGE_ERROR, "procedure_loading_error",
                           "procedures: %s", luaL_tolstring(L, -1, NULL));
    lua_settop(L, MODULE);
    return status;
}

void procedures_after_fork(struct procedures *procedures)
{
    scheduler_after_fork(procedures->L);
}

void procedures_interrupt(void)
{
    scheduler_interrupt();
}

static void send_line(struct procedures *procedures, enum answer_kind kind)
{
    const struct performance *performance = procedures->performance;

    procedures->last = kind;
    performance->send(performance->context, buffer_text(&procedures->line),
                      kind);
    procedures->line.length = 0;
}

/* send("accepted", boolean), (kind, json) or ("error", type, message) */
static int send_answer(lua_State *L)
{
    static const char *const kinds[] = { "accepted", "packet", "result",
                                         "exception", "error", NULL };
    struct procedures *procedures =
        lua_touserdata(L, lua_upvalueindex(1));
    enum answer_kind kind =
        (enum answer_kind)luaL_checkoption(L, 1, NULL, kinds);
    struct buffer *line = &procedures->line;
    struct text value;

    if (kind == ANSWER_ACCEPTED) {
        answer_accepted(line, lua_toboolean(L, 2));
    } else if (kind == ANSWER_ERROR) {
        answer_error(line, luaL_checkstring(L, 2), luaL_checkstring(L, 3));
    } else {
        value.data = luaL_checklstring(L, 2, &value.length);
        answer_value(line, kind, value);
    }
    send_line(procedures, kind);
    return 0;
}

/* begin(terms) → true, or the process ends with an error for the caller. */
static int begin(lua_State *L)
{
    struct procedures *procedures =
        lua_touserdata(L, lua_upvalueindex(1));
    const struct performance *performance = procedures->performance;
    struct terms terms;

    luaL_checktype(L, 1, LUA_TTABLE);
    terms_read(L, 1, &terms);
    scheduler_accept_interrupts(L);
    performance->begin(performance->context, &terms);
    terms_free(&terms);
    lua_pushboolean(L, 1);
    return 1;
}

/* A task that it left behind failed, or memory ran out. */
static void send_failure(struct procedures *procedures)
{
    char *message = memory_string(lua_tostring(procedures->L, -1));

    /* It can hold any bytes, but JSON is UTF-8. */
    for (char *at = message; *at; at++)
        if ((unsigned char)*at > 127)
            *at = '?';
    procedures->line.length = 0;
    answer_error(&procedures->line, "system_error", message);
    free(message);
    send_line(procedures, ANSWER_ERROR);
}

/* [-0, +1, m] */
static void push_info(lua_State *L, const struct performance *performance)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, performance->call->user);
    lua_setfield(L, -2, "user");
    lua_pushstring(L, performance->address);
    lua_setfield(L, -2, "address");
    lua_pushboolean(L, log_has(LOG_LEVEL_DEBUG));
    lua_setfield(L, -2, "logs_arguments");
}

/* [-0, +1, m] a function of this call. */
static void push_function(struct procedures *procedures,
                          lua_CFunction function)
{
    lua_pushlightuserdata(procedures->L, procedures);
    lua_pushcclosure(procedures->L, function, 1);
}

enum answer_kind procedures_call(struct procedures *procedures,
                                 const struct performance *performance)
{
    lua_State *L = procedures->L;

    procedures->performance = performance;
    lua_getfield(L, MODULE, "call");
    lua_pushstring(L, performance->call->procedure);
    lua_pushstring(L, performance->call->arguments);
    push_info(L, performance);
    push_function(procedures, send_answer);
    push_function(procedures, begin);
    if (task_run(L, 5) != 0) {
        task_join_report(L);
        if (procedures->last == ANSWER_ACCEPTED
            || procedures->last == ANSWER_PACKET)
            send_failure(procedures);
    }
    return procedures->last;
}

void procedures_free(struct procedures *procedures)
{
    if (!procedures)
        return;
    state_close(procedures->L);
    buffer_free(&procedures->line);
    free(procedures);
}
