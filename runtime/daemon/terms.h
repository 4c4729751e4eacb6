/* On which terms a procedure runs: what its registration asked for. */
#ifndef HARP_DAEMON_TERMS_H
#define HARP_DAEMON_TERMS_H

#include <lua.h>

#include "daemon/privileges.h"

struct terms {
    struct identity identity;
    struct limits limits;
    struct variable *variables;
    size_t variable_count;
    double timeout;             /* s; 0 none */
    const char *lock;           /* its name, or NULL */
    size_t lock_most;           /* calls that have it at once */
    bool lock_wait;
    const char *log;            /* the arguments as they may be logged */
};

/*
 * [-0, +0, v] from a table with any of user, uid, gid, groups (a list of
 * gids), memory, cpu, files, env (name → string or false), timeout, lock,
 * lock_most (default 1), lock_wait and log. The strings are the table's.
 */
void terms_read(lua_State *L, int index, struct terms *terms);

void terms_free(struct terms *terms);

#endif
