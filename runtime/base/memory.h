/*
 * Memory that is there or ends the program: a process that cannot get a few
 * bytes cannot report it either. What comes from outside is bounded before
 * it is allocated.
 */
#ifndef HARP_BASE_MEMORY_H
#define HARP_BASE_MEMORY_H

#include <stddef.h>

void *memory_new(size_t size);              /* zeroed; never NULL */
void *memory_grow(void *old, size_t size);  /* like realloc; never NULL */
char *memory_copy(const char *data, size_t length);  /* ends with a NUL */
char *memory_string(const char *string);    /* a copy; NULL gives NULL */
char *memory_format(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
