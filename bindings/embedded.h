/* Lua files of scripts/, compiled into the program by the Makefile. */
#ifndef HARP_BINDINGS_EMBEDDED_H
#define HARP_BINDINGS_EMBEDDED_H

#include <stddef.h>

struct embedded {
    const char *name;           /* "harp/job" of scripts/harp/job.lua */
    const char *text;
    size_t size;
};

/* The last one has no name. */
extern const struct embedded embedded_files[];

/* One that is there, by its name. */
const struct embedded *embedded_find(const char *name);

#endif
