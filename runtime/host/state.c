#include "host/state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/task.h"

lua_State *state_new(const luaL_Reg *modules)
{
    lua_State *L = luaL_newstate();

    if (!L) {
        fputs("harp: out of memory\n", stderr);
        abort();
    }
    luaL_openlibs(L);
    coroutine_open(L);          /* before a script can keep Lua's own */
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    luaL_setfuncs(L, modules, 0);
    lua_pop(L, 1);
    return L;
}

void state_close(lua_State *L)
{
    if (L)
        lua_close(L);
}
