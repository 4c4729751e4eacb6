#include "daemon/terms.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/memory.h"

/* [-0, +0, v] 0 when it is absent. */
static lua_Integer integer(lua_State *L, int index, const char *name)
{
    lua_Integer value;

    lua_getfield(L, index, name);
    value = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return value;
}

/* [-0, +0, v] lives as long as the table has it. */
static const char *string(lua_State *L, int index, const char *name)
{
    const char *value;

    lua_getfield(L, index, name);
    value = luaL_optstring(L, -1, NULL);
    lua_pop(L, 1);
    return value;
}

/* [-0, +0, v] */
static bool has(lua_State *L, int index, const char *name)
{
    bool there = lua_getfield(L, index, name) != LUA_TNIL;

    lua_pop(L, 1);
    return there;
}

static void read_groups(lua_State *L, int index, struct identity *identity)
{
    if (lua_getfield(L, index, "groups") == LUA_TTABLE) {
        identity->group_count = (size_t)luaL_len(L, -1);
        identity->groups = memory_new((identity->group_count + 1)
                                      * sizeof *identity->groups);
        for (size_t i = 0; i < identity->group_count; i++) {
            lua_geti(L, -1, (lua_Integer)i + 1);
            identity->groups[i] = (gid_t)luaL_checkinteger(L, -1);
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

/* The table is on top. */
static void read_variables(lua_State *L, struct terms *terms)
{
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        size_t count = terms->variable_count++;

        terms->variables = memory_grow(terms->variables, (count + 1)
                                       * sizeof *terms->variables);
        terms->variables[count] = (struct variable){
            luaL_checkstring(L, -2),
            lua_toboolean(L, -1) ? luaL_checkstring(L, -1) : NULL
        };
    }
}

void terms_read(lua_State *L, int index, struct terms *terms)
{
    *terms = (struct terms){
        .identity = {
            .has_user = has(L, index, "uid"),
            .uid = (uid_t)integer(L, index, "uid"),
            .has_group = has(L, index, "gid"),
            .gid = (gid_t)integer(L, index, "gid"),
        },
        .limits = {
            .memory = (unsigned long)integer(L, index, "memory"),
            .cpu = (unsigned long)integer(L, index, "cpu"),
            .files = (unsigned long)integer(L, index, "files"),
        },
        .lock = string(L, index, "lock"),
        .log = string(L, index, "log"),
        .lock_most = has(L, index, "lock_most")
                   ? (size_t)integer(L, index, "lock_most") : 1,
    };
    read_groups(L, index, &terms->identity);
    if (lua_getfield(L, index, "env") == LUA_TTABLE)
        read_variables(L, terms);
    lua_getfield(L, index, "timeout");
    terms->timeout = luaL_optnumber(L, -1, 0);
    lua_getfield(L, index, "lock_wait");
    terms->lock_wait = lua_toboolean(L, -1);
    lua_pop(L, 3);
}

void terms_free(struct terms *terms)
{
    free(terms->identity.groups);
    free(terms->variables);
    *terms = (struct terms){ 0 };
}
