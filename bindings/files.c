/* What of files Lua's own library does not tell. */
#include <lauxlib.h>
#include <sys/stat.h>

#include "bindings/harp.h"

/* is_readable_by_others(path): by the mode; false when it is not there. */
static int is_readable_by_others(lua_State *L)
{
    struct stat file;

    lua_pushboolean(L, stat(luaL_checkstring(L, 1), &file) == 0
                       && file.st_mode & (S_IRGRP | S_IROTH));
    return 1;
}

void files_open(lua_State *L)
{
    lua_pushcfunction(L, is_readable_by_others);
    lua_setfield(L, -2, "is_readable_by_others");
}
