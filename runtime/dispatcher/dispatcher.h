/*
 * The dispatcher: takes calls from clients, runs them on daemons in their
 * turn, and keeps what came of them.
 */
#ifndef HARP_DISPATCHER_DISPATCHER_H
#define HARP_DISPATCHER_DISPATCHER_H

struct dispatcher;
struct harp_error;

/* Reads the configuration, opens the store and listens. */
struct dispatcher *dispatcher_new(const char *config,
                                  struct harp_error *error);

/* Takes up the jobs that were left, and serves until it is told to stop. */
int dispatcher_run(struct dispatcher *dispatcher, struct harp_error *error);

void dispatcher_free(struct dispatcher *dispatcher);

#endif
