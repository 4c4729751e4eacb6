/* The wire as a human sees it, and what is not for anyone to see. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "bindings/harp.h"
#include "net/trace.h"

/* trace() shows from now on what goes over the wire, on standard error. */
static int trace(lua_State *L)
{
    (void)L;
    trace_on = true;
    return 0;
}

/* names_secret(name) → does a value of that name look like a secret? */
static int names_secret(lua_State *L)
{
    struct text name;

    name.data = luaL_checklstring(L, 1, &name.length);
    lua_pushboolean(L, secret_is_named(name));
    return 1;
}

/* $HARP_DEBUG is for programs that have no option --debug. */
static bool is_wanted(void)
{
    const char *debug = getenv("HARP_DEBUG");

    return debug && *debug && strcmp(debug, "0") != 0;
}

void trace_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "trace", trace },
        { "names_secret", names_secret },
        { NULL, NULL }
    };

    luaL_setfuncs(L, functions, 0);
    if (is_wanted())
        trace_on = true;
}
