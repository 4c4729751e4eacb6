#include "cli/libraries.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <lauxlib.h>
#include <limits.h>
#include <link.h>
#include <lua.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <yajl/yajl_version.h>

#include "base/error.h"
#include "base/library.h"

/* [-0, +0, m] appends { name, version } to the list on top. */
static void add(lua_State *L, const char *name, const char *version)
{
    lua_createtable(L, 2, 0);
    lua_pushstring(L, name);
    lua_rawseti(L, -2, 1);
    lua_pushstring(L, version);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* What liblua calls itself: "$LuaVersion: Lua 5.4.4  Copyright …". */
static void add_lua(lua_State *L)
{
    const char *ident = dlsym(RTLD_DEFAULT, "lua_ident");
    const char *number = ident ? strpbrk(ident, "0123456789") : NULL;
    char version[32];

    if (!number)
        number = &LUA_RELEASE[strlen("Lua ")];
    snprintf(version, sizeof version, "%.*s",
             (int)strspn(number, "0123456789."), number);
    add(L, "Lua", version);
}

static void add_yajl(lua_State *L)
{
    int number = yajl_version();
    char version[32];

    snprintf(version, sizeof version, "%d.%d.%d", number / 10000,
             number / 100 % 100, number % 100);
    add(L, "yajl", version);
}

static void add_curl(lua_State *L)
{
    static const char *const names[] = { "curl_version_info" };
    curl_version_info_data *(*version_info)(CURLversion);
    struct harp_error error;

    if (library_load("libcurl.so.4", names, 1, &version_info, &error) == 0)
        add(L, "libcurl", version_info(CURLVERSION_NOW)->version);
    else
        add(L, "libcurl", NULL);
}

static void add_openssl(lua_State *L)
{
    static const char *const names[] = { "OpenSSL_version" };
    const char *(*version)(int);
    struct harp_error error;

    if (library_load("libcrypto.so.3", names, 1, &version, &error) == 0)
        add(L, "OpenSSL", version(OPENSSL_VERSION_STRING));
    else
        add(L, "OpenSSL", NULL);
}

/* It has no function that says it, but its file's name does. */
static void add_libedit(lua_State *L)
{
    void *library = dlopen("libedit.so.2", RTLD_LAZY);
    char path[PATH_MAX];
    struct link_map *map;
    const char *version = NULL;

    if (library && dlinfo(library, RTLD_DI_LINKMAP, &map) == 0
        && realpath(map->l_name, path))
        version = strstr(path, ".so.");
    add(L, "libedit", version ? version + strlen(".so.") : NULL);
}

int libraries_open(lua_State *L)
{
    lua_newtable(L);
    add_lua(L);
    add(L, "libuv", uv_version_string());
    add_curl(L);
    add_openssl(L);
    add(L, "SQLite", sqlite3_libversion());
    add_yajl(L);
    add_libedit(L);
    return 1;
}
