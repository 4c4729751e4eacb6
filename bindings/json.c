/*
 * JSON ⇄ Lua without loss. Reading: yajl's events are pushed straight onto
 * the Lua stack. Writing: yajl's generator prints into one buffer a state.
 *
 *   null              harp.null
 *   1, 1.0            integer, float; -0 is the float, as an integer has none
 *   beyond 64 bits    the nearest float, as Lua reads its own numerals
 *   array             a table with the metatable of harp.array
 *   object            a table; an empty table without metatable is an object
 */
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "base/error.h"
#include "bindings/harp.h"
#include "host/failure.h"
#include "wire/json.h"

#define ARRAY "harp.array"
#define WRITE_DEPTH 127         /* what yajl's generator can nest */

static const char writer_key;

/* ---- reading ---- */

struct reader {
    lua_State *L;
    struct harp_error *error;
    int array_metatable;        /* stack index */
    int depth;
    lua_Integer counts[JSON_MAX_DEPTH + 1]; /* of items; -1 in an object */
};

static int refuse(struct reader *reader, const char *message)
{
    error_set(reader->error, USAGE_ERROR, "parse_error", "%s", message);
    return 0;
}

/* Puts the value on top where it belongs. */
static int place(struct reader *reader)
{
    lua_Integer *count = &reader->counts[reader->depth];

    if (reader->depth == 0)
        return 1;
    if (*count < 0)
        lua_rawset(reader->L, -3);
    else
        lua_rawseti(reader->L, -2, ++*count);
    return 1;
}

static int read_null(void *context)
{
    struct reader *reader = context;

    lua_pushlightuserdata(reader->L, NULL);
    return place(reader);
}

static int read_boolean(void *context, int boolean)
{
    struct reader *reader = context;

    lua_pushboolean(reader->L, boolean);
    return place(reader);
}

/* Lua's own conversion: exact integers, and its float where one is too big. */
static int read_number(void *context, const char *digits, size_t length)
{
    struct reader *reader = context;
    lua_State *L = reader->L;
    char text[64];
    size_t read;

    if (length >= sizeof text) {
        lua_pushlstring(L, digits, length);
        read = lua_stringtonumber(L, lua_tostring(L, -1));
        if (read)
            lua_remove(L, -2);
    } else {
        memcpy(text, digits, length);
        text[length] = '\0';
        read = lua_stringtonumber(L, strcmp(text, "-0") ? text : "-0.0");
    }
    if (!read || !isfinite(lua_tonumber(L, -1)))
        return refuse(reader, "a number is out of range");
    return place(reader);
}

static int read_string(void *context, const unsigned char *s, size_t length)
{
    struct reader *reader = context;

    lua_pushlstring(reader->L, (const char *)s, length);
    return place(reader);
}

static int read_key(void *context, const unsigned char *s, size_t length)
{
    struct reader *reader = context;

    lua_pushlstring(reader->L, (const char *)s, length);
    return 1;
}

static int enter(struct reader *reader, lua_Integer count)
{
    if (reader->depth == JSON_MAX_DEPTH || !lua_checkstack(reader->L, 4))
        return refuse(reader, "JSON is nested too deeply");
    reader->counts[++reader->depth] = count;
    lua_newtable(reader->L);
    return 1;
}

static int read_start_map(void *context)
{
    return enter(context, -1);
}

static int read_start_array(void *context)
{
    struct reader *reader = context;

    if (!enter(reader, 0))
        return 0;
    lua_pushvalue(reader->L, reader->array_metatable);
    lua_setmetatable(reader->L, -2);
    return 1;
}

static int read_end(void *context)
{
    struct reader *reader = context;

    reader->depth--;
    return place(reader);
}

int json_decode(lua_State *L, struct text text, struct harp_error *error)
{
    static const yajl_callbacks callbacks = {
        .yajl_null = read_null,
        .yajl_boolean = read_boolean,
        .yajl_number = read_number,
        .yajl_string = read_string,
        .yajl_start_map = read_start_map,
        .yajl_map_key = read_key,
        .yajl_end_map = read_end,
        .yajl_start_array = read_start_array,
        .yajl_end_array = read_end,
    };
    struct reader reader = { .L = L, .error = error };

    luaL_checkstack(L, 4, "too many values");
    luaL_getmetatable(L, ARRAY);
    reader.array_metatable = lua_gettop(L);
    if (json_parse(text, &callbacks, &reader, NULL, error) != 0) {
        lua_settop(L, reader.array_metatable - 1);
        return -1;
    }
    lua_remove(L, reader.array_metatable);
    return 0;
}

/* ---- writing ---- */

struct writer {
    yajl_gen generator;
    struct buffer text;
    const char *message;        /* what is wrong… */
    char path[256];             /* …and where, built from the inside out */
    const void *tables[WRITE_DEPTH + 1];    /* that enclose the value */
    int depth;
};

static void print_to_text(void *context, const char *data, size_t length)
{
    struct writer *writer = context;

    buffer_add(&writer->text, data, length);
}

static int writer_collect(lua_State *L)
{
    struct writer *writer = lua_touserdata(L, 1);

    yajl_gen_free(writer->generator);
    writer->generator = NULL;
    buffer_free(&writer->text);
    return 0;
}

static struct writer *writer_new(lua_State *L)
{
    struct writer *writer = lua_newuserdatauv(L, sizeof *writer, 0);

    memset(writer, 0, sizeof *writer);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, writer_collect);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    writer->generator = yajl_gen_alloc(NULL);
    yajl_gen_config(writer->generator, yajl_gen_print_callback, print_to_text,
                    writer);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &writer_key);
    return writer;
}

static struct writer *writer_of(lua_State *L)
{
    struct writer *writer;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &writer_key);
    writer = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (!writer)
        writer = writer_new(L);
    yajl_gen_reset(writer->generator, NULL);
    writer->text.length = 0;
    writer->path[0] = '\0';
    writer->depth = 0;
    return writer;
}

static int wrong(struct writer *writer, const char *message)
{
    writer->message = message;
    return -1;
}

/*
 * Puts a step in front of the path, on the way out of a failure. What is
 * innermost goes when there is no more room.
 */
static void at(struct writer *writer, const char *step)
{
    char path[sizeof writer->path + JSON_EXCERPT + 2];

    snprintf(path, sizeof path, "%s%s", step, writer->path);
    if (strlen(path) >= sizeof writer->path)
        snprintf(path, sizeof path, "%s…", step);
    strcpy(writer->path, path);
}

static void at_index(struct writer *writer, lua_Unsigned index)
{
    char step[32];

    snprintf(step, sizeof step, "[%llu]", (unsigned long long)index);
    at(writer, step);
}

static void at_key(lua_State *L, struct writer *writer, int key)
{
    char excerpt[JSON_EXCERPT], step[JSON_EXCERPT + 1];
    struct text name;

    name.data = lua_tolstring(L, key, &name.length);
    snprintf(step, sizeof step, ".%s", json_excerpt(excerpt, name));
    at(writer, step);
}

static int write_value(lua_State *L, struct writer *writer);

static int write_float(struct writer *writer, double number)
{
    char text[JSON_REAL_SIZE];

    if (!isfinite(number))
        return wrong(writer, "NaN and infinity are not JSON");
    json_print_real(text, number);
    yajl_gen_number(writer->generator, text, strlen(text));
    return 0;
}

static int write_number(lua_State *L, struct writer *writer)
{
    char digits[32];

    if (!lua_isinteger(L, -1))
        return write_float(writer, lua_tonumber(L, -1));
    snprintf(digits, sizeof digits, "%lld", (long long)lua_tointeger(L, -1));
    yajl_gen_number(writer->generator, digits, strlen(digits));
    return 0;
}

static int write_string(lua_State *L, struct writer *writer, int index)
{
    size_t length;
    const char *string = lua_tolstring(L, index, &length);

    if (!json_is_utf8((struct text){ string, length }))
        return wrong(writer, "a string that is not UTF-8");
    yajl_gen_string(writer->generator, (const unsigned char *)string, length);
    return 0;
}

static bool is_array(lua_State *L)
{
    bool is;

    if (!lua_getmetatable(L, -1))
        return lua_rawlen(L, -1) > 0;
    luaL_getmetatable(L, ARRAY);
    is = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is || lua_rawlen(L, -1) > 0;
}

static lua_Unsigned count_keys(lua_State *L)
{
    lua_Unsigned count = 0;

    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        count++;
    return count;
}

static int write_array(lua_State *L, struct writer *writer)
{
    lua_Unsigned length = lua_rawlen(L, -1);

    if (count_keys(L) != length)
        return wrong(writer, "an array with holes or other keys");
    yajl_gen_array_open(writer->generator);
    for (lua_Unsigned i = 1; i <= length; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i) == LUA_TNIL) {
            lua_pop(L, 1);
            return wrong(writer, "an array with holes or other keys");
        }
        if (write_value(L, writer) != 0) {
            at_index(writer, i);
            return -1;
        }
        lua_pop(L, 1);
    }
    yajl_gen_array_close(writer->generator);
    return 0;
}

static int write_object(lua_State *L, struct writer *writer)
{
    int key = lua_gettop(L) + 1;

    yajl_gen_map_open(writer->generator);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            return wrong(writer, "an object with keys that are not strings");
        if (write_string(L, writer, -2) != 0)
            return wrong(writer, "a key that is not UTF-8");
        if (write_value(L, writer) != 0) {
            at_key(L, writer, key);
            return -1;
        }
    }
    yajl_gen_map_close(writer->generator);
    return 0;
}

static int write_table(lua_State *L, struct writer *writer)
{
    const void *table = lua_topointer(L, -1);
    int failed;

    for (int i = 0; i < writer->depth; i++)
        if (writer->tables[i] == table)
            return wrong(writer, "a table that contains itself");
    if (writer->depth == WRITE_DEPTH || !lua_checkstack(L, 6))
        return wrong(writer, "nested deeper than 127 levels");
    writer->tables[writer->depth++] = table;
    failed = is_array(L) ? write_array(L, writer) : write_object(L, writer);
    writer->depth--;
    return failed;
}

/* [-0, +?] the value is on top; a failure leaves things above it. */
static int write_value(lua_State *L, struct writer *writer)
{
    switch (lua_type(L, -1)) {
    case LUA_TNIL:
        return wrong(writer, "nil (null is harp.null)");
    case LUA_TBOOLEAN:
        yajl_gen_bool(writer->generator, lua_toboolean(L, -1));
        return 0;
    case LUA_TNUMBER:
        return write_number(L, writer);
    case LUA_TSTRING:
        return write_string(L, writer, -1);
    case LUA_TTABLE:
        return write_table(L, writer);
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, -1))
            return wrong(writer, "a light userdata");
        yajl_gen_null(writer->generator);
        return 0;
    case LUA_TFUNCTION:
        return wrong(writer, "a function");
    default:
        return wrong(writer, "a userdata or coroutine");
    }
}

struct text json_encode(lua_State *L, int index, const char *name)
{
    struct writer *writer = writer_of(L);
    struct harp_error error;
    int top = lua_gettop(L);

    luaL_checkstack(L, 6, "too many values");
    lua_pushvalue(L, index);
    if (write_value(L, writer) != 0) {
        error_set(&error, USAGE_ERROR, "invalid_value",
                  "%s%s cannot be JSON: %s", name, writer->path,
                  writer->message);
        failure_raise(L, &error);
    }
    lua_settop(L, top);
    return buffer_text(&writer->text);
}

/* ---- functions ---- */

/* harp.encode(value) → string; raises a UsageError (type invalid_value). */
static int encode(lua_State *L)
{
    struct text text;

    luaL_checkany(L, 1);
    text = json_encode(L, 1, "value");
    lua_pushlstring(L, text.data, text.length);
    return 1;
}

/* harp.decode(string) → value; raises a UsageError (type parse_error). */
static int decode(lua_State *L)
{
    struct harp_error error;
    struct text text;

    text.data = luaL_checklstring(L, 1, &text.length);
    if (json_decode(L, text, &error) == 0)
        return 1;
    error.kind = USAGE_ERROR;
    return failure_raise(L, &error);
}

/* harp.array(table) → the same table, an array even when it is empty. */
static int array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_setmetatable(L, ARRAY);
    return 1;
}

/* harp.is_array(value) → boolean */
static int is_array_value(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    lua_pushboolean(L, lua_istable(L, 1) && is_array(L));
    return 1;
}

void json_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "encode", encode },
        { "decode", decode },
        { "array", array },
        { "is_array", is_array_value },
        { NULL, NULL }
    };

    luaL_newmetatable(L, ARRAY);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}
