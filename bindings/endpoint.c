/* Where a peer is and how it is trusted, as an immutable object. */
#include "net/endpoint.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "bindings/fields.h"
#include "bindings/harp.h"
#include "host/failure.h"
#include "net/pin.h"

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

static const char *trust_name(const struct endpoint *endpoint)
{
    static const char *const names[] = {
        [TRUST_SYSTEM] = "by the system's authorities",
        [TRUST_AUTHORITY] = "by its own authority",
        [TRUST_PIN] = "pinned",
        [TRUST_KNOWN_CERTS] = "known certificate",
        [TRUST_FIRST_USE] = "known host",
        [TRUST_ANYONE] = "not verified",
    };

    return names[endpoint_trust(endpoint)];
}

/* "web01:4306 (TLS, pinned, legacy, via …)". Never a secret. */
static int endpoint_to_string(lua_State *L)
{
    const struct endpoint *endpoint = endpoint_check(L, 1);
    const char *via = endpoint->proxy.address;
    char *name = endpoint_name(endpoint);

    lua_pushstring(L, name);
    free(name);
    if (endpoint->tls)
        lua_pushfstring(L, " (TLS, %s%s%s%s)", trust_name(endpoint),
                        endpoint->legacy ? ", legacy" : "",
                        via ? ", via " : "", via ? via : "");
    else
        lua_pushfstring(L, via ? " (via %s)" : "", via);
    lua_concat(L, 2);
    return 1;
}

/* is_pin(string) → boolean */
static int is_pin(lua_State *L)
{
    lua_pushboolean(L, pin_is_valid(luaL_checkstring(L, 1)));
    return 1;
}

/* [-0, +0, v] owned by the caller; NULL when it is absent. */
static char *copy_field(lua_State *L, const char *name)
{
    return memory_string(field_optional(L, name));
}

static void read_trust(lua_State *L, struct endpoint *endpoint)
{
    endpoint->tls = field_boolean(L, "tls");
    endpoint->legacy = field_boolean(L, "legacy");
    endpoint->ca_file = copy_field(L, "ca_file");
    endpoint->pin = copy_field(L, "pin");
    endpoint->first_use = field_boolean(L, "first_use");
    endpoint->known_hosts = copy_field(L, "known_hosts");
    endpoint->insecure = field_boolean(L, "insecure");
    endpoint->cert_file = copy_field(L, "cert_file");
    endpoint->key_file = copy_field(L, "key_file");
}

/* [-0, +0, v] */
static int read_proxy(lua_State *L, struct endpoint *endpoint,
                      struct harp_error *error)
{
    int status = 0;

    if (lua_getfield(L, 2, "proxy") != LUA_TNIL)
        status = proxy_parse(&endpoint->proxy, luaL_checkstring(L, -1),
                             error);
    lua_pop(L, 1);
    if (status == 0 && endpoint->proxy.address && endpoint->path)
        status = error_set(error, USAGE_ERROR, "bad_address",
                           "a unix socket is not behind a proxy");
    return status;
}

/*
 * endpoint(address, {port=, tls=, …}) → endpoint: the fields of struct
 * endpoint, checked in scripts/harp/endpoint.lua. `port` is for an address
 * that has none; `proxy` is a URL.
 */
static int endpoint_new(lua_State *L)
{
    size_t length;
    const char *address = luaL_checklstring(L, 1, &length);
    struct endpoint *endpoint;
    struct harp_error error;

    luaL_checktype(L, 2, LUA_TTABLE);
    if (strlen(address) != length)
        return luaL_error(L, "bad address: it has a NUL character");
    endpoint = lua_newuserdatauv(L, sizeof *endpoint, 0);
    memset(endpoint, 0, sizeof *endpoint);
    luaL_setmetatable(L, ENDPOINT);
    if (endpoint_parse(endpoint, address, (int)field_integer(L, "port", 0, 0),
                       &error) != 0
        || read_proxy(L, endpoint, &error) != 0)
        return failure_raise(L, &error);
    read_trust(L, endpoint);
    endpoint->connect_timeout = field_seconds(L, "connect_timeout", false);
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
    lua_pushcfunction(L, is_pin);
    lua_setfield(L, -2, "is_pin");
}
