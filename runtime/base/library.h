/*
 * Shared libraries that are loaded when they are first needed: those that
 * take long to load, and that many runs do without. A header lists a
 * library's functions for a table, and then gives them their names back:
 *
 *   #define X_FUNCTIONS(each) each(x_open) each(x_close)
 *   extern struct x_functions { X_FUNCTIONS(LIBRARY_MEMBER) } x_functions;
 *   #define x_open x_functions.x_open
 *   #define x_close x_functions.x_close
 */
#ifndef HARP_BASE_LIBRARY_H
#define HARP_BASE_LIBRARY_H

#include <stddef.h>

struct harp_error;

#define LIBRARY_MEMBER(function) __typeof__(function) *function;
#define LIBRARY_NAME(function) #function,

/*
 * Loads a library, for good, and fills a table with the functions of these
 * names; all or none. Error: `library_missing`.
 */
int library_load(const char *file, const char *const *names, size_t count,
                 void *table, struct harp_error *error);

#endif
