/* The accounts of this machine, for Lua. */
#ifndef HARP_DAEMON_ACCOUNT_H
#define HARP_DAEMON_ACCOUNT_H

#include <lua.h>

/*
 * [-0, +1, m] the module `harp.daemon`:
 *   account(user) → name, uid, gid   of a name or uid
 *   group(group) → gid               of a name or gid
 *   uid() → the daemon's own (effective) uid
 * The first two raise a string that says what there is not.
 */
int account_open(lua_State *L);

#endif
