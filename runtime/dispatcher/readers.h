/* The ids of the jobs that clients read: of those nothing is removed. */
#ifndef HARP_DISPATCHER_READERS_H
#define HARP_DISPATCHER_READERS_H

#include <stdbool.h>

struct parts;
struct reader;

/* Of one more exchange; lives until it is given back. */
struct reader *readers_add(struct parts *parts, const char *id);
void readers_remove(struct parts *parts, struct reader *reader);

bool readers_has(const struct parts *parts, const char *id);

#endif
