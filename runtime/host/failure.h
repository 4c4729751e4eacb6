/*
 * Errors as a script sees them: a table with the fields `kind`, `type`,
 * `message` and, where there is one, `data` and `job`; tostring reads well.
 * Every error of the module is made here.
 */
#ifndef HARP_HOST_FAILURE_H
#define HARP_HOST_FAILURE_H

#include <lua.h>

struct harp_error;

/* [-0, +1, m] pushes an error of the core as a table. */
void failure_push(lua_State *L, const struct harp_error *error);

/* [-0, +0, v] raises it. */
int failure_raise(lua_State *L, const struct harp_error *error);

/* [-1, +1, m] makes the table at the top an error. */
void failure_adopt(lua_State *L);

/* [-0, +0, m] true if the value at the index is an error of ours. */
int failure_is(lua_State *L, int index);

#endif
