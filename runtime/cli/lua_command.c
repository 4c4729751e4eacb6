#include "cli/lua_command.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>

#include "base/descriptors.h"
#include "bindings/harp.h"
#include "cli/cli.h"
#include "cli/libraries.h"
#include "host/state.h"
#include "host/task.h"

/* require "harp.cli.names" → the names of all subcommands, in order. */
static int open_names(lua_State *L)
{
    lua_newtable(L);
    for (int i = 0; cli_name(i); i++) {
        lua_pushstring(L, cli_name(i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* [-0, +1, m] the function that runs a subcommand. */
static void push_main(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, open_names);
    lua_setfield(L, -2, "harp.cli.names");
    lua_pushcfunction(L, libraries_open);
    lua_setfield(L, -2, "harp.cli.libraries");
    lua_pop(L, 1);
    if (luaL_dostring(L, "require 'harp' return require('harp.cli.main').run"))
        lua_error(L);
}

/* [-0, +1, m] */
static void push_list(lua_State *L, int count, char **words)
{
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, words[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

int lua_command(const char *name, int argc, char **argv)
{
    lua_State *L = state_new(harp_modules);
    int status = 1;

    descriptors_raise();
    scheduler_catch_interrupts(L);
    push_main(L);
    lua_pushstring(L, name);
    push_list(L, argc, argv);
    if (task_run(L, 2) == 0) {
        status = (int)lua_tointeger(L, -1);
    } else {
        task_join_report(L);
        fprintf(stderr, "harp %s: %s\n", name, lua_tostring(L, -1));
    }
    state_close(L);
    return status;
}

int lua_command_help(const char *name)
{
    char option[] = "--help", *arguments[] = { option };

    return lua_command(name, 1, arguments);
}
