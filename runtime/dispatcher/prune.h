/* The removal of jobs and dedup keys from the database, in small steps. */
#ifndef HARP_DISPATCHER_PRUNE_H
#define HARP_DISPATCHER_PRUNE_H

#include <sqlite3.h>

struct operation;

/* What store_prune does; SQLITE_DONE when it went well. */
int prune_step(sqlite3 *database, struct operation *operation);

#endif
