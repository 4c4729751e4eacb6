#include "cli/stack_hosts.h"

#include <lauxlib.h>
#include <lua.h>

#include "base/error.h"
#include "base/memory.h"
#include "bindings/embedded.h"
#include "bindings/harp.h"
#include "host/state.h"

static const char JOIN[] =
    "local ranges, text = ...\n"
    "local names, complaint = ranges.names(text)\n"
    "if not names then error(complaint, 0) end\n"
    "return table.concat(names, ',')\n";

static void load(lua_State *L, const char *text, size_t size, const char *name)
{
    if (luaL_loadbufferx(L, text, size, name, "t") != LUA_OK)
        lua_error(L);
}

/* text → the names, with commas between; what is wrong is raised. */
static int expand(lua_State *L)
{
    const struct embedded *file = embedded_find("harp/batch/ranges");

    load(L, JOIN, sizeof JOIN - 1, "=join");
    load(L, file->text, file->size, "=ranges");
    lua_call(L, 0, 1);          /* the module */
    lua_pushvalue(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

char *stack_hosts_expand(const char *text, struct harp_error *error)
{
    lua_State *L = state_new(harp_modules);
    char *names = NULL;

    lua_pushcfunction(L, expand);
    lua_pushstring(L, text);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
        names = memory_string(lua_tostring(L, -1));
    else
        error_set(error, USAGE_ERROR, "usage", "%s", lua_tostring(L, -1));
    state_close(L);
    return names;
}
