/*
 * os.exit of a program: the state is closed before it ends, so that files are
 * written, finalizers run, and to-be-closed variables closed.
 */
#ifndef HARP_HOST_EXIT_H
#define HARP_HOST_EXIT_H

#include <lua.h>
#include <stdbool.h>

/* [-0, +0, m] os.exit([code [, close]]) as Lua has it; close: true. */
void exit_open(lua_State *L);

/* Was it called? task_run returned because of it, then. */
bool exit_was_asked(lua_State *L, int *status);

/*
 * [-0, +0, -] ends the tasks that have not, with what they have to close, and
 * then the state.
 */
void exit_close(lua_State *L);

#endif
