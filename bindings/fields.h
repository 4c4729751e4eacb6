/*
 * The fields of a table at stack index 2, checked. Strings are Lua's: the
 * table keeps them, but for field_json's.
 */
#ifndef HARP_BINDINGS_FIELDS_H
#define HARP_BINDINGS_FIELDS_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

/* [-0, +0, v] a string without NUL; the second one may be absent: NULL. */
char *field_string(lua_State *L, const char *name);
char *field_optional(lua_State *L, const char *name);

/* [-0, +0, v] 0 when absent. */
double field_seconds(lua_State *L, const char *name, bool may_be_zero);

/* [-0, +0, v] */
int64_t field_integer(lua_State *L, const char *name, lua_Integer least,
                      lua_Integer otherwise);
bool field_boolean(lua_State *L, const char *name);

/* [-0, +0|1, v] a value's JSON text, kept on the stack; NULL when absent. */
char *field_json(lua_State *L, const char *name);

#endif
