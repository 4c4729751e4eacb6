/* The jobs that a filter selects, the newest first, a page at a time. */
#ifndef HARP_DISPATCHER_SELECTION_H
#define HARP_DISPATCHER_SELECTION_H

#include <sqlite3.h>

struct operation;

/* What LIST_JOBS does; SQLITE_DONE when it went well. */
int selection_read(sqlite3 *database, struct operation *operation);

#endif
