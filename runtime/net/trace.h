/*
 * What goes over the wire, shown on standard error as it goes, for a human who
 * looks for what is wrong:
 *
 *   14:03:59.123 → web01:4306 {"procedure":"sum","arguments":[1,2],…
 *
 * At most TRACE_LONGEST bytes of a line are shown; secrets, by their names,
 * are "***". Off until somebody sets `trace_on`, and nearly free then.
 */
#ifndef HARP_NET_TRACE_H
#define HARP_NET_TRACE_H

#include <stdbool.h>

#include "base/buffer.h"

struct endpoint;

#define TRACE_LONGEST 400

enum trace_direction { TRACE_SENT, TRACE_RECEIVED };

extern bool trace_on;           /* for all connections of the process */

/* Shows one line, or several, with or without their ends. */
void trace_lines(enum trace_direction direction, const struct endpoint *peer,
                 struct text lines);

#endif
