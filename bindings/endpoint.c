/* Where a peer is and how it is trusted, as an immutable object. */
#include "net/endpoint.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "bindings/harp.h"
#include "host/failure.h"

#define ENDPOINT "harp.endpoint"

const struct endpoint *endpoint_check(lua_State *L, int index)
{
    return luaL_checkudata(L, index, ENDPOINT);
}

static int endpoint_collect(lua_State *L)
{
    endpoint_free(luaL_checkudata(L, 1, ENDPOINT));
    return 0;
}

/* What is connected to, and how it is verified. Never a secret. */
static int endpoint_to_string(lua_State *L)
{
    const struct endpoint *endpoint = endpoint_check(L, 1);
    char *name = endpoint_name(endpoint);

    lua_pushfstring(L, "%s%s", name,
                    !endpoint->tls ? ""
                    : endpoint->insecure ? " (TLS, not verified)"
                    : endpoint->pin ? " (TLS, pinned)"
                    : endpoint->ca_file ? " (TLS, by its own authority)"
                    : " (TLS)");
    free(name);
    return 1;
}

/* [-0, +0, v] the string field of the table at 2, copied; or NULL. */
static char *field_string(lua_State *L, const char *name)
{
    char *copy = NULL;

    if (lua_getfield(L, 2, name) == LUA_TSTRING)
        copy = memory_string(lua_tostring(L, -1));
    else if (!lua_isnil(L, -1))
        luaL_error(L, "%s must be a string, not a %s", name,
                   luaL_typename(L, -1));
    lua_pop(L, 1);
    return copy;
}

static int field_boolean(lua_State *L, const char *name, int otherwise)
{
    int boolean = lua_getfield(L, 2, name) == LUA_TNIL
                ? otherwise : lua_toboolean(L, -1);

    lua_pop(L, 1);
    return boolean;
}

static double field_number(lua_State *L, const char *name, double otherwise)
{
    double number = otherwise;

    if (lua_getfield(L, 2, name) != LUA_TNIL) {
        if (!lua_isnumber(L, -1) || lua_tonumber(L, -1) <= 0)
            luaL_error(L, "%s must be a number above 0", name);
        number = lua_tonumber(L, -1);
    }
    lua_pop(L, 1);
    return number;
}

/*
 * endpoint(address, {port = n, tls = boolean, ca_file = string, pin = string,
 * verify = boolean, connect_timeout = seconds}) → endpoint. `port` is for an
 * address that has none.
 */
static int endpoint_new(lua_State *L)
{
    const char *address = luaL_checkstring(L, 1);
    struct endpoint *endpoint;
    struct harp_error error;

    luaL_checktype(L, 2, LUA_TTABLE);
    endpoint = lua_newuserdatauv(L, sizeof *endpoint, 0);
    memset(endpoint, 0, sizeof *endpoint);
    luaL_setmetatable(L, ENDPOINT);
    if (endpoint_parse(endpoint, address, (int)field_number(L, "port", 0),
                       &error) != 0)
        return failure_raise(L, &error);
    endpoint->tls = field_boolean(L, "tls", 0);
    endpoint->insecure = !field_boolean(L, "verify", 1);
    endpoint->ca_file = field_string(L, "ca_file");
    endpoint->pin = field_string(L, "pin");
    endpoint->connect_timeout = field_number(L, "connect_timeout", 0);
    return 1;
}

void endpoint_open(lua_State *L)
{
    luaL_newmetatable(L, ENDPOINT);
    lua_pushcfunction(L, endpoint_collect);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, endpoint_to_string);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
    lua_pushcfunction(L, endpoint_new);
    lua_setfield(L, -2, "endpoint");
}
