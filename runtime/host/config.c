#include "host/config.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/*
 * The Lua stack holds the table of settings, the names that were asked for
 * and, inside config_each, a table and its entry.
 */
struct config {
    lua_State *L;
    char *path;
    struct harp_error complaint;    /* kind NULL while there is none */
    int table;                  /* stack index of what the getters read */
};

#define SETTINGS 1              /* stack indices */
#define ASKED 2                 /* table → set of the names asked of it */

/* Where Lua has read the file into: passwords can be in it. */
__attribute__((noinline)) static void wipe_stack(void)
{
    char below[4 * BUFSIZ];

    explicit_bzero(below, sizeof below);
}

struct config *config_load(const char *path, struct harp_error *error)
{
    struct config *config = memory_new(sizeof *config);
    lua_State *L = config->L = luaL_newstate();
    int status;

    config->path = memory_string(path);
    config->table = SETTINGS;
    luaL_openlibs(L);
    lua_newtable(L);            /* the settings: the chunk's globals */
    lua_newtable(L);            /* asked */
    lua_createtable(L, 0, 1);   /* the settings see the library, not it them */
    lua_pushglobaltable(L);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, SETTINGS);
    status = luaL_loadfilex(L, path, "t");
    wipe_stack();
    if (status == LUA_OK) {
        lua_pushvalue(L, SETTINGS);
        lua_setupvalue(L, -2, 1);
        if (lua_pcall(L, 0, 0, 0) == LUA_OK)
            return config;
    }
    error_set(error, USAGE_ERROR, "configuration", "configuration: %s",
              luaL_tolstring(L, -1, NULL));
    config_free(config);
    return NULL;
}

void config_complain(struct config *config, const char *name,
                     const char *complaint)
{
    if (!config->complaint.kind)
        error_set(&config->complaint, USAGE_ERROR, "configuration",
                  "%s: %s: %s", config->path, name, complaint);
}

/* [-0, +1] the value of a setting; notes that its name is known. */
static int get(struct config *config, const char *name)
{
    lua_State *L = config->L;

    lua_pushvalue(L, config->table);
    lua_rawget(L, ASKED);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, config->table);
        lua_pushvalue(L, -2);
        lua_rawset(L, ASKED);
    }
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
    if (!lua_istable(L, config->table)) {
        lua_pushnil(L);
        return LUA_TNIL;
    }
    lua_pushstring(L, name);
    return lua_rawget(L, config->table);
}

static void expect(struct config *config, const char *name, int type,
                   int wanted)
{
    char complaint[64] = "";

    if (type == wanted || type == LUA_TNIL)
        return;
    strcat(strcat(complaint, "must be a "), lua_typename(config->L, wanted));
    config_complain(config, name, complaint);
}

/* Strings stay: they are values of the settings, which stay. */
const char *config_string(struct config *config, const char *name,
                          const char *otherwise)
{
    int type = get(config, name);
    const char *string = otherwise;

    expect(config, name, type, LUA_TSTRING);
    if (type == LUA_TSTRING)
        string = lua_tostring(config->L, -1);
    lua_pop(config->L, 1);
    return string;
}

double config_number(struct config *config, const char *name,
                     double otherwise)
{
    int type = get(config, name);
    double number = otherwise;

    expect(config, name, type, LUA_TNUMBER);
    if (type == LUA_TNUMBER)
        number = lua_tonumber(config->L, -1);
    lua_pop(config->L, 1);
    return number;
}

double config_between(struct config *config, const char *name, double least,
                      double most, double otherwise)
{
    double number = config_number(config, name, otherwise);
    char *complaint;

    if (number >= least && number <= most)
        return number;
    complaint = memory_format("must be from %.10g to %.10g", least, most);
    config_complain(config, name, complaint);
    free(complaint);
    return otherwise;
}

bool config_boolean(struct config *config, const char *name, bool otherwise)
{
    int type = get(config, name);
    bool boolean = otherwise;

    expect(config, name, type, LUA_TBOOLEAN);
    if (type == LUA_TBOOLEAN)
        boolean = lua_toboolean(config->L, -1);
    lua_pop(config->L, 1);
    return boolean;
}

bool config_is_string(struct config *config, const char *name)
{
    int type = get(config, name);

    lua_pop(config->L, 1);
    return type == LUA_TSTRING;
}

/* ---- tables ---- */

static int by_name(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The keys of the table on top that are strings, sorted; NULL-terminated. */
static const char **sorted_keys(lua_State *L)
{
    const char **keys = memory_new(sizeof *keys);
    size_t count = 0;

    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            continue;
        keys = memory_grow(keys, (count + 2) * sizeof *keys);
        keys[count++] = lua_tostring(L, -2);
    }
    qsort(keys, count, sizeof *keys, by_name);
    keys[count] = NULL;
    return keys;
}

/* The entry is on top of the stack. */
static void visit(struct config *config, const char *key,
                  void (*each)(struct config *config, const char *key,
                               void *context),
                  void *context)
{
    int outer = config->table;

    config->table = lua_gettop(config->L);
    each(config, key, context);
    config->table = outer;
    lua_pop(config->L, 1);
}

void config_each(struct config *config, const char *name,
                 void (*each)(struct config *config, const char *key,
                              void *context),
                 void *context)
{
    lua_State *L = config->L;
    int type = get(config, name);
    const char **keys;

    expect(config, name, type, LUA_TTABLE);
    if (type != LUA_TTABLE) {
        lua_pop(L, 1);
        return;
    }
    luaL_checkstack(L, 10, NULL);
    keys = sorted_keys(L);
    for (size_t i = 0; keys[i]; i++) {
        lua_getfield(L, -1, keys[i]);
        visit(config, keys[i], each, context);
    }
    free(keys);
    for (lua_Integer i = 1; i <= luaL_len(L, -1); i++) {
        lua_geti(L, -1, i);
        visit(config, NULL, each, context);
    }
    lua_pop(L, 1);
}

const char *config_value(struct config *config)
{
    return lua_type(config->L, config->table) == LUA_TSTRING
         ? lua_tostring(config->L, config->table) : NULL;
}

/* ---- entries whose fields the caller knows ---- */

/* The value is at the top of the stack. */
static struct scalar scalar_of(lua_State *L)
{
    struct scalar scalar = { .kind = SCALAR_OTHER };
    size_t length;

    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        scalar.string = lua_tolstring(L, -1, &length);
        if (strlen(scalar.string) == length)
            scalar.kind = SCALAR_STRING;
        break;
    case LUA_TNUMBER:
        scalar.kind = SCALAR_NUMBER;
        scalar.number = lua_tonumber(L, -1);
        break;
    case LUA_TBOOLEAN:
        scalar.kind = SCALAR_BOOLEAN;
        scalar.boolean = lua_toboolean(L, -1);
        break;
    }
    return scalar;
}

int config_fields(struct config *config,
                  void (*each)(void *context, const char *name,
                               const struct scalar *value),
                  void *context)
{
    static const struct scalar unnamed = { .kind = SCALAR_OTHER };
    lua_State *L = config->L;

    if (!lua_istable(L, config->table))
        return -1;
    luaL_checkstack(L, 4, NULL);
    for (lua_pushnil(L); lua_next(L, config->table); lua_pop(L, 1)) {
        struct scalar value = scalar_of(L);

        if (lua_type(L, -2) == LUA_TSTRING)
            each(context, lua_tostring(L, -2), &value);
        else
            each(context, "a field without a name", &unnamed);
    }
    return 0;
}

/* [-1, +0] */
static void visit_top(struct config *config,
                      void (*look)(struct config *config, void *context),
                      void *context)
{
    int outer = config->table;

    config->table = lua_gettop(config->L);
    look(config, context);
    config->table = outer;
    lua_pop(config->L, 1);
}

void config_inside(struct config *config, const char *name,
                   void (*look)(struct config *config, void *context),
                   void *context)
{
    int type = get(config, name);

    expect(config, name, type, LUA_TTABLE);
    if (type == LUA_TTABLE)
        visit_top(config, look, context);
    else
        lua_pop(config->L, 1);
}

bool config_is_function(struct config *config, const char *name)
{
    bool is_function = get(config, name) == LUA_TFUNCTION;

    lua_pop(config->L, 1);
    return is_function;
}

int config_call(struct config *config, const char *name, const char *argument,
                void (*look)(struct config *config, void *context),
                void *context, struct harp_error *error)
{
    lua_State *L = config->L;

    get(config, name);
    lua_pushstring(L, argument);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        error_set(error, USAGE_ERROR, "configuration", "%s: %s", name,
                  luaL_tolstring(L, -1, NULL));
        lua_pop(L, 2);
        return -1;
    }
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return 0;
    }
    visit_top(config, look, context);
    return 1;
}

/* ---- what nobody asked for ---- */

/* [-0, +0] the table and the set of its known names are on top. */
static void refuse_unknown(struct config *config)
{
    lua_State *L = config->L;

    for (lua_pushnil(L); lua_next(L, -3); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            continue;
        lua_pushvalue(L, -2);
        if (lua_rawget(L, -4) == LUA_TNIL)
            config_complain(config, lua_tostring(L, -3),
                            "nobody knows this setting");
        lua_pop(L, 1);
    }
}

int config_finish(struct config *config, struct harp_error *error)
{
    lua_State *L = config->L;

    /* Also when nothing was asked of the settings themselves. */
    get(config, "");
    lua_pop(L, 1);
    for (lua_pushnil(L); lua_next(L, ASKED); lua_pop(L, 1))
        if (lua_istable(L, -2))
            refuse_unknown(config);
    if (!config->complaint.kind)
        return 0;
    *error = config->complaint;
    return -1;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    lua_close(config->L);
    free(config->path);
    free(config);
}
