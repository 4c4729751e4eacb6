/* A Lua state as the program gives it to recipes and procedures. */
#ifndef HARP_HOST_STATE_H
#define HARP_HOST_STATE_H

#include <lauxlib.h>

/*
 * The standard libraries; and the modules, a list of names and functions
 * (harp_modules of the bindings), are found by `require` without a search.
 */
lua_State *state_new(const luaL_Reg *modules);

/* Ends what is still open in it: connections, tasks, the loop. */
void state_close(lua_State *L);

#endif
