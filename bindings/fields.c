#include "bindings/fields.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "bindings/harp.h"

/* [-1, +0, v] */
static char *take_string(lua_State *L, const char *name)
{
    char *string = (char *)(uintptr_t)lua_tostring(L, -1);

    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "%s must be a string, not %s", name,
                   lua_isnil(L, -1) ? "nil" : luaL_typename(L, -1));
    if (strlen(string) != lua_rawlen(L, -1))
        luaL_error(L, "%s has a NUL character", name);
    lua_pop(L, 1);              /* the table keeps it */
    return string;
}

char *field_string(lua_State *L, const char *name)
{
    lua_getfield(L, 2, name);
    return take_string(L, name);
}

char *field_optional(lua_State *L, const char *name)
{
    if (lua_getfield(L, 2, name) != LUA_TNIL)
        return take_string(L, name);
    lua_pop(L, 1);
    return NULL;
}

double field_seconds(lua_State *L, const char *name, bool may_be_zero)
{
    double seconds = 0;

    if (lua_getfield(L, 2, name) != LUA_TNIL) {
        seconds = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
        if (!isfinite(seconds) || seconds < 0
            || (seconds <= 0 && !may_be_zero))
            luaL_error(L, "%s must be a number of seconds%s", name,
                       may_be_zero ? ", or 0" : " above 0");
    }
    lua_pop(L, 1);
    return seconds;
}

int64_t field_integer(lua_State *L, const char *name, lua_Integer least,
                      lua_Integer otherwise)
{
    lua_Integer integer = otherwise;
    int is;

    if (lua_getfield(L, 2, name) != LUA_TNIL) {
        integer = lua_tointegerx(L, -1, &is);
        if (!is || integer < least)
            luaL_error(L, "%s must be an integer of at least %I", name, least);
    }
    lua_pop(L, 1);
    return integer;
}

bool field_boolean(lua_State *L, const char *name)
{
    bool boolean;

    lua_getfield(L, 2, name);
    boolean = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return boolean;
}

char *field_json(lua_State *L, const char *name)
{
    struct text text;

    if (lua_getfield(L, 2, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return NULL;
    }
    text = json_encode(L, -1, name);
    lua_pushlstring(L, text.data, text.length);
    lua_replace(L, -2);
    return (char *)(uintptr_t)lua_tostring(L, -1);
}
