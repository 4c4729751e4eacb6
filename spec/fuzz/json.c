/*
 * Values in Lua. A document gives the same value whole and as a line that
 * comes in pieces; what is written of a value reads back as the same value;
 * and the members that json_each finds are those that Lua has.
 */
#include "spec/fuzz/fuzz.h"

#include <lauxlib.h>
#include <lua.h>

#include "base/error.h"
#include "base/memory.h"
#include "bindings/harp.h"
#include "wire/json.h"

static lua_State *L;

/* ---- comparing ---- */

static bool is_same(int a, int b);

static size_t count_members(int table)
{
    size_t count = 0;

    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        count++;
    return count;
}

/* Each member once, or nested tables would take for ever. */
static bool is_same_table(int a, int b)
{
    if (count_members(a) != count_members(b)
        || lua_getmetatable(L, a) != lua_getmetatable(L, b))
        return false;
    for (lua_pushnil(L); lua_next(L, a); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_rawget(L, b);
        if (!is_same(lua_gettop(L) - 1, lua_gettop(L)))
            return false;
        lua_pop(L, 1);
    }
    return true;
}

/* [-0, +0] by kind too: 1 is not 1.0, 0.0 is not -0.0, [] is not {}. */
static bool is_same(int a, int b)
{
    int top = lua_gettop(L);
    bool same;

    luaL_checkstack(L, 8, "comparing");
    if (lua_type(L, a) != lua_type(L, b)
        || lua_isinteger(L, a) != lua_isinteger(L, b))
        return false;
    if (lua_type(L, a) == LUA_TNUMBER && !lua_isinteger(L, a)) {
        lua_Number x = lua_tonumber(L, a), y = lua_tonumber(L, b);

        return memcmp(&x, &y, sizeof x) == 0;
    }
    if (!lua_istable(L, a))
        return lua_rawequal(L, a, b);
    same = is_same_table(a, b);
    lua_settop(L, top);
    return same;
}

/* ---- reading and writing ---- */

/* [-0, +1] */
static void decode(struct text text)
{
    struct harp_error error;

    if (json_decode(L, text, &error) == 0)
        return;
    fprintf(stderr, "must be read: %.*s: %s\n", (int)text.length, text.data,
            error.message);
    abort();
}

static int encode(lua_State *state)
{
    struct text text = json_encode(state, 1, "value");

    lua_pushlstring(state, text.data, text.length);
    return 1;
}

/* [-0, +1] the text of the value on top; false when it nests too deep. */
static bool push_text(void)
{
    lua_pushcfunction(L, encode);
    lua_pushvalue(L, -2);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
        return true;
    lua_getfield(L, -1, "message");
    MUST(strstr(lua_tostring(L, -1), "nested deeper than"));
    lua_pop(L, 2);
    return false;
}

static struct text top_text(void)
{
    struct text text;

    text.data = lua_tolstring(L, -1, &text.length);
    return text;
}

/* [-0, +0] the value on top, written and read, twice. */
static void check_written(void)
{
    int value = lua_gettop(L);
    struct buffer first = { 0 }, second = { 0 };
    struct harp_error error;

    if (!push_text())
        return;
    json_canonical(&first, top_text(), &error);
    decode(top_text());
    MUST(is_same(value, lua_gettop(L)));
    MUST(push_text());
    json_canonical(&second, top_text(), &error);
    must_be_equal(buffer_text(&first), buffer_text(&second));
    lua_settop(L, value);
    buffer_free(&first);
    buffer_free(&second);
}

/* ---- members ---- */

static bool is_kind(enum json_kind kind)
{
    switch (kind) {
    case JSON_NULL: return lua_islightuserdata(L, -1);
    case JSON_BOOLEAN: return lua_isboolean(L, -1);
    case JSON_INTEGER: return lua_type(L, -1) == LUA_TNUMBER;
    case JSON_REAL: return lua_type(L, -1) == LUA_TNUMBER
                        && !lua_isinteger(L, -1);
    case JSON_STRING: return lua_type(L, -1) == LUA_TSTRING;
    default: return lua_istable(L, -1);
    }
}

/* The last of several of one name counts, as in Lua. */
static int set_member(void *context, struct text name, enum json_kind kind,
                      struct text value)
{
    (void)context;
    lua_pushlstring(L, name.data, name.length);
    decode(value);
    MUST(is_kind(kind));
    lua_rawset(L, -3);
    return 1;
}

/* [-0, +0] the value on top is what the text says. */
static void check_members(struct text text)
{
    int top = lua_gettop(L);
    struct harp_error error;

    lua_newtable(L);
    if (json_each(text, set_member, NULL, &error) == 0)
        MUST(is_same(top, top + 1));
    else
        MUST(strcmp(error.type, "invalid_request") == 0);
    lua_settop(L, top);
}

/* ---- as a line ---- */

/* Where it is cut hangs on what it says: the corpus is documents only. */
static uint32_t hash(struct text text)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 16777619u;
    return hash | 1;
}

/* [-0, +0] the value on top is what the document is as a line, in pieces. */
static void check_line(struct text document)
{
    struct line_reader reader = { 0 };
    struct text left = document, line;
    uint32_t random = hash(document);

    while (left.length) {
        size_t size = feed(&reader, left, next_random(&random) % 17);

        left.data += size;
        left.length -= size;
        MUST(!line_ready(&reader));
    }
    feed(&reader, text_of("\r\n"), 2);
    MUST(line_take(&reader, &line));
    decode(line);
    MUST(is_same(lua_gettop(L) - 1, lua_gettop(L)));
    lua_pop(L, 1);
    line_free(&reader);
}

/* A line break is white space in a document, and the end of a line. */
static struct text without_breaks(const uint8_t *data, size_t size)
{
    char *copy = memory_copy((const char *)data, size);

    for (size_t i = 0; i < size; i++)
        if (copy[i] == '\n')
            copy[i] = ' ';
    return (struct text){ copy, size };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = without_breaks(data, size);
    struct harp_error error;

    if (!L) {
        L = luaL_newstate();
        lua_newtable(L);
        json_open(L);
        lua_settop(L, 0);
    }
    if (json_decode(L, text, &error) == 0) {
        MUST(lua_gettop(L) == 1);
        check_line(text);
        check_written();
        check_members(text);
        lua_pop(L, 1);
    }
    MUST(lua_gettop(L) == 0);
    free((char *)text.data);
    return 0;
}
