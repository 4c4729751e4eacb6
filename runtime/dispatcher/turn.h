/*
 * The end of each turn of the loop, before it waits: what was asked of the
 * store is done, and then every client is sent what came of it, in one write.
 */
#ifndef HARP_DISPATCHER_TURN_H
#define HARP_DISPATCHER_TURN_H

struct parts;

/* From here on the loop does so. */
void turn_start(struct parts *parts);

/* Does so until nothing is left, and closes what turn_start opened. */
void turn_end(struct parts *parts);

#endif
