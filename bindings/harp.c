#include "bindings/harp.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/version.h"
#include "bindings/embedded.h"
#include "host/failure.h"
#include "host/standing.h"
#include "host/task.h"

#define LOCAL "harp.local"

/* ---- errors ---- */

/* error{kind=, type=, message=, …} → the same table, an error */
static int error_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    failure_adopt(L);
    return 1;
}

/*
 * harp.is_error(value [, kind]) → boolean. Every error is a "HarpException"
 * besides what its `kind` says.
 */
static int is_error(lua_State *L)
{
    const char *kind = luaL_optstring(L, 2, "HarpException");
    bool is;

    luaL_checkany(L, 1);
    is = failure_is(L, 1);
    if (is && strcmp(kind, "HarpException") != 0) {
        lua_getfield(L, 1, "kind");
        is = lua_isstring(L, -1) && strcmp(lua_tostring(L, -1), kind) == 0;
    }
    lua_pushboolean(L, is);
    return 1;
}

/* ---- the local stack ---- */

static void set_field(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

void harp_use_local(lua_State *L, const struct local_stack *local)
{
    lua_createtable(L, 0, 5);
    set_field(L, "caller", local->caller);
    set_field(L, "server", local->server);
    set_field(L, "user", local->user);
    set_field(L, "password", local->password);
    set_field(L, "pin", local->pin);
    lua_setfield(L, LUA_REGISTRYINDEX, LOCAL);
}

/* local_stack() → {caller=, server=, user=, password=, pin=}, or nil */
static int local_stack(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, LOCAL);
    return 1;
}

/*
 * standing_stack() → what a `harp local` that runs says of itself: the same,
 * and {pid=, since=, directory=, hosts=, verbose=}. nil when there is none,
 * and true behind it when it starts or ends just now.
 */
static int standing_stack(lua_State *L)
{
    struct buffer text = { 0 };
    struct harp_error error;
    pid_t holder = standing_look(&text);
    bool told = holder && json_decode(L, buffer_text(&text), &error) == 0
             && lua_istable(L, -1)
             && lua_getfield(L, -1, "pid") == LUA_TNUMBER
             && lua_tointeger(L, -1) == holder;

    buffer_wipe(&text);
    if (told) {
        lua_pop(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushboolean(L, holder != 0);
    return 2;
}

/* ---- opening ---- */

/* [-0, +1, v] the chunk of an embedded file. */
static void load(lua_State *L, const struct embedded *file)
{
    lua_pushfstring(L, "=%s.lua", file->name);
    if (luaL_loadbufferx(L, file->text, file->size, lua_tostring(L, -1), "t")
        != LUA_OK)
        lua_error(L);
    lua_remove(L, -2);
}

static int load_embedded(lua_State *L)
{
    load(L, lua_touserdata(L, lua_upvalueindex(1)));
    lua_call(L, 0, 1);
    return 1;
}

/* [-0, +1, m] "harp.job" of scripts/harp/job.lua, "harp.cli.run" of cli/run. */
static void push_module_name(lua_State *L, const char *path)
{
    luaL_gsub(L, path, "/", ".");
    if (strncmp(path, "harp/", 5) == 0)
        return;
    lua_pushliteral(L, "harp.");
    lua_insert(L, -2);
    lua_concat(L, 2);
}

/* require "harp.NAME" finds the files of scripts/ without a search. */
static void preload(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (const struct embedded *file = embedded_files; file->name; file++) {
        push_module_name(L, file->name);
        lua_pushlightuserdata(L, (void *)(uintptr_t)file);
        lua_pushcclosure(L, load_embedded, 1);
        lua_settable(L, -3);
    }
    lua_pop(L, 1);
}

static int open_core(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "error", error_new },
        { "is_error", is_error },
        { "local_stack", local_stack },
        { "standing_stack", standing_stack },
        { NULL, NULL }
    };

    luaL_newlib(L, functions);
    set_field(L, "version", VERSION);
    json_open(L);
    digest_open(L);
    endpoint_open(L);
    caller_open(L);
    exchange_open(L);
    tasks_open(L);
    exec_open(L);
    files_open(L);
    journal_open(L);
    interrupts_open(L);
    editor_open(L);
    history_open(L);
    status_open(L);
    trace_open(L);
    return 1;
}

/* [-0, +1, v] */
static void require(lua_State *L, const char *name)
{
    lua_getglobal(L, "require");
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
}

int luaopen_harp(lua_State *L)
{
    scheduler_of(L);
    coroutine_open(L);
    luaL_requiref(L, "harp.core", open_core, 0);
    preload(L);
    require(L, "harp.init");
    return 1;
}

int luaopen_harp_batch(lua_State *L)
{
    require(L, "harp");
    load(L, embedded_find("harp/batch"));
    lua_call(L, 0, 1);
    return 1;
}

const luaL_Reg harp_modules[] = {
    { "harp", luaopen_harp },
    { "harp.batch", luaopen_harp_batch },
    { NULL, NULL }
};
