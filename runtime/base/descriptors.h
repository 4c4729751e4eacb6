/*
 * Descriptors of files, of which one who talks to many needs many: calls of
 * daemons, and to stock dispatchers, have a connection each.
 */
#ifndef HARP_BASE_DESCRIPTORS_H
#define HARP_BASE_DESCRIPTORS_H

#include <stddef.h>

/* As many as there may be, from now on; how many that is. */
size_t descriptors_raise(void);

#endif
