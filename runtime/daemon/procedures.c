#include "daemon/procedures.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "bindings/harp.h"
#include "host/state.h"
#include "host/task.h"

#define MODULE 1                /* stack index of harp.procedures */

struct procedures {
    lua_State *L;
    void (*send)(void *context, struct text line);
    void *context;
    enum answer_kind last;
};

struct procedures *procedures_new(void)
{
    struct procedures *procedures = memory_new(sizeof *procedures);
    lua_State *L = procedures->L = state_new(luaopen_harp);

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

/* send("accepted", boolean), (kind, json) or ("error", type, message) */
static int send_answer(lua_State *L)
{
    static const char *const kinds[] = { "accepted", "packet", "result",
                                         "exception", "error", NULL };
    struct procedures *procedures =
        lua_touserdata(L, lua_upvalueindex(1));
    enum answer_kind kind =
        (enum answer_kind)luaL_checkoption(L, 1, NULL, kinds);
    struct buffer line = { 0 };
    struct text value;

    if (kind == ANSWER_ACCEPTED) {
        answer_accepted(&line, lua_toboolean(L, 2));
    } else if (kind == ANSWER_ERROR) {
        answer_error(&line, luaL_checkstring(L, 2), luaL_checkstring(L, 3));
    } else {
        value.data = luaL_checklstring(L, 2, &value.length);
        answer_value(&line, kind, value);
    }
    procedures->last = kind;
    procedures->send(procedures->context, buffer_text(&line));
    buffer_free(&line);
    return 0;
}

/* A task that it left behind failed, or memory ran out. */
static void send_failure(struct procedures *procedures)
{
    struct buffer line = { 0 };
    char *message = memory_string(lua_tostring(procedures->L, -1));

    /* It can hold any bytes, but JSON is UTF-8. */
    for (char *at = message; *at; at++)
        if ((unsigned char)*at > 127)
            *at = '?';
    answer_error(&line, "system_error", message);
    free(message);
    procedures->last = ANSWER_ERROR;
    procedures->send(procedures->context, buffer_text(&line));
    buffer_free(&line);
}

enum answer_kind procedures_call(struct procedures *procedures,
                                 const struct call *call,
                                 void (*send)(void *context,
                                              struct text line),
                                 void *context)
{
    lua_State *L = procedures->L;

    procedures->send = send;
    procedures->context = context;
    lua_getfield(L, MODULE, "call");
    lua_pushstring(L, call->procedure);
    lua_pushstring(L, call->arguments);
    lua_pushlightuserdata(L, procedures);
    lua_pushcclosure(L, send_answer, 1);
    if (task_run(L, 3) != 0
        && (procedures->last == ANSWER_ACCEPTED
            || procedures->last == ANSWER_PACKET))
        send_failure(procedures);
    return procedures->last;
}

void procedures_free(struct procedures *procedures)
{
    if (!procedures)
        return;
    state_close(procedures->L);
    free(procedures);
}
