#include "host/failure.h"

#include <lauxlib.h>

#include "base/error.h"

#define METATABLE "harp.error"

static void field(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

/* "CommunicationError (econnrefused): message [job ID]" */
static int to_string(lua_State *L)
{
    luaL_Buffer text;

    lua_settop(L, 1);
    lua_getfield(L, 1, "kind");
    lua_getfield(L, 1, "type");
    lua_getfield(L, 1, "message");
    lua_getfield(L, 1, "job");
    luaL_buffinit(L, &text);
    luaL_addstring(&text, luaL_optstring(L, 2, "HarpException"));
    if (lua_isstring(L, 3)) {
        luaL_addstring(&text, " (");
        luaL_addstring(&text, lua_tostring(L, 3));
        luaL_addstring(&text, ")");
    }
    luaL_addstring(&text, ": ");
    luaL_addstring(&text, luaL_optstring(L, 4, "no message"));
    if (lua_isstring(L, 5)) {
        luaL_addstring(&text, " [job ");
        luaL_addstring(&text, lua_tostring(L, 5));
        luaL_addstring(&text, "]");
    }
    luaL_pushresult(&text);
    return 1;
}

static void push_metatable(lua_State *L)
{
    if (!luaL_newmetatable(L, METATABLE))
        return;
    lua_pushcfunction(L, to_string);
    lua_setfield(L, -2, "__tostring");
}

void failure_adopt(lua_State *L)
{
    push_metatable(L);
    lua_setmetatable(L, -2);
}

void failure_push(lua_State *L, const struct harp_error *error)
{
    lua_createtable(L, 0, 3);
    field(L, "kind", error->kind);
    field(L, "type", error->type);
    field(L, "message", error->message);
    failure_adopt(L);
}

int failure_raise(lua_State *L, const struct harp_error *error)
{
    failure_push(L, error);
    return lua_error(L);
}

int failure_is(lua_State *L, int index)
{
    int is;

    index = lua_absindex(L, index);
    if (!lua_getmetatable(L, index))
        return 0;
    push_metatable(L);
    is = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is;
}
