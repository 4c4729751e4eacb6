/* The store's database: opening it, and what is in it. SQLite. */
#ifndef HARP_DISPATCHER_DATABASE_H
#define HARP_DISPATCHER_DATABASE_H

#include <sqlite3.h>
#include <stdint.h>

struct harp_error;

/*
 * Makes it when it is not there, and brings one of an older harp up to date.
 * It is ours alone as long as it is open. NULL and an error otherwise.
 */
sqlite3 *database_open(const char *path, struct harp_error *error);

/* A system_error of what failed last; returns -1. */
int database_failed(sqlite3 *database, struct harp_error *error);

/* The first column of the first row; -1 when there is none. */
int64_t database_integer(sqlite3 *database, const char *sql);

/* Commits something that changes nothing. */
int database_touch(sqlite3 *database);

/* The time that is stored; unix seconds. */
double database_now(void);

#endif
