/* A Lua state as the program gives it to recipes and procedures. */
#ifndef HARP_HOST_STATE_H
#define HARP_HOST_STATE_H

#include <lua.h>

/*
 * The standard libraries, and `require "harp"` by `open_harp`
 * (luaopen_harp of the bindings) without a search.
 */
lua_State *state_new(lua_CFunction open_harp);

/* Ends what is still open in it: connections, tasks, the loop. */
void state_close(lua_State *L);

#endif
