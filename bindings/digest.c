/* What tells whether two values are the same, without the values. */
#define XXH_INLINE_ALL
#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <xxhash.h>

#include "base/error.h"
#include "bindings/harp.h"
#include "host/failure.h"
#include "wire/json.h"

/*
 * digest(value[, salt]) → 16 hexadecimal digits, the same for equal values of
 * JSON with equal salts, which are texts; raises what encode does. It is no
 * secret, and hides none.
 */
static int digest(lua_State *L)
{
    struct buffer canonical = { 0 };
    struct harp_error error;
    char digits[17];
    size_t length;
    const char *salt = luaL_optlstring(L, 2, "", &length);

    luaL_checkany(L, 1);
    if (json_canonical(&canonical, json_encode(L, 1, "value"), &error) != 0) {
        buffer_free(&canonical);
        return failure_raise(L, &error);
    }
    snprintf(digits, sizeof digits, "%016" PRIx64,
             (uint64_t)XXH3_64bits_withSeed(canonical.data, canonical.length,
                                            XXH3_64bits(salt, length)));
    buffer_free(&canonical);
    lua_pushstring(L, digits);
    return 1;
}

void digest_open(lua_State *L)
{
    lua_pushcfunction(L, digest);
    lua_setfield(L, -2, "digest");
}
