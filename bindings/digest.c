/* What tells whether two values are the same, without the values. */
#include <lauxlib.h>
#include <stdio.h>

#include "base/error.h"
#include "bindings/harp.h"
#include "host/failure.h"
#include "net/openssl.h"
#include "wire/json.h"

#define HASH_SIZE 32
#define DIGEST_SIZE 8           /* bytes of the hash that are enough */

static void write_digest(char digits[2 * DIGEST_SIZE + 1], struct text text)
{
    unsigned char hash[HASH_SIZE];

    SHA256((const unsigned char *)text.data, text.length, hash);
    for (int i = 0; i < DIGEST_SIZE; i++)
        snprintf(digits + 2 * i, 3, "%02x", hash[i]);
}

/*
 * digest(value) → 16 hexadecimal digits, the same for equal values of JSON;
 * raises what encode does.
 */
static int digest(lua_State *L)
{
    char digits[2 * DIGEST_SIZE + 1];
    struct buffer canonical = { 0 };
    struct harp_error error;
    int failed;

    luaL_checkany(L, 1);
    failed = openssl_load(&error) != 0
        || json_canonical(&canonical, json_encode(L, 1, "value"), &error) != 0;
    if (!failed)
        write_digest(digits, buffer_text(&canonical));
    buffer_free(&canonical);
    if (failed)
        return failure_raise(L, &error);
    lua_pushstring(L, digits);
    return 1;
}

void digest_open(lua_State *L)
{
    lua_pushcfunction(L, digest);
    lua_setfield(L, -2, "digest");
}
