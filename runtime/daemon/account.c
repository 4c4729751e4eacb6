#include "daemon/account.h"

#include <grp.h>
#include <lauxlib.h>
#include <pwd.h>
#include <stdbool.h>
#include <unistd.h>

/* [-0, +0, v] raises "there is no WHAT NAME", without a place in the code. */
static int raise_missing(lua_State *L, const char *what)
{
    lua_pushfstring(L, "there is no %s %s", what, luaL_tolstring(L, 1, NULL));
    return lua_error(L);
}

static int account_find(lua_State *L)
{
    bool is_number = lua_type(L, 1) == LUA_TNUMBER;
    const struct passwd *account =
        is_number ? getpwuid((uid_t)luaL_checkinteger(L, 1))
                  : getpwnam(luaL_checkstring(L, 1));

    if (!account)
        return raise_missing(L, is_number ? "user with uid" : "user");
    lua_pushstring(L, account->pw_name);
    lua_pushinteger(L, account->pw_uid);
    lua_pushinteger(L, account->pw_gid);
    return 3;
}

/* A gid needs no entry: setting it is allowed without. */
static int account_group(lua_State *L)
{
    const struct group *group;

    if (lua_type(L, 1) == LUA_TNUMBER) {
        lua_pushinteger(L, luaL_checkinteger(L, 1));
        return 1;
    }
    group = getgrnam(luaL_checkstring(L, 1));
    if (!group)
        return raise_missing(L, "group");
    lua_pushinteger(L, group->gr_gid);
    return 1;
}

static int account_uid(lua_State *L)
{
    lua_pushinteger(L, geteuid());
    return 1;
}

int account_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "account", account_find },
        { "group", account_group },
        { "uid", account_uid },
        { NULL, NULL }
    };

    luaL_newlib(L, functions);
    return 1;
}
