/*
 * Whose turn it is. A queue (protocol §1) is named by canonical JSON, first in
 * first out, and has the concurrency of its first job; it lives from its first
 * job to its last. Those it lets go, and those without a queue, are ready, and
 * run as the caps on calls allow: ready.h.
 */
#ifndef HARP_DISPATCHER_QUEUE_H
#define HARP_DISPATCHER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct job;
struct parts;
struct queue;
struct request;

/*
 * Gives a call the concurrency of the queue that it names, if there is one:
 * so it lasts as the queue does, when its first job does not.
 */
void queue_adopt(struct parts *parts, struct request *call);

/* Runs the job when it is its turn. */
void queue_push(struct job *job, const struct request *call);

/* Takes out a job that waits. */
void queue_remove(struct job *job);

/* A job has ended, however it did: the next one's turn. */
void queue_leave(struct job *job);

/* The registry of hosts has changed, and with it what they take at once. */
void queue_look(struct parts *parts);

/* The same at the end of the dispatcher: nobody's turn comes. */
void queue_discard(struct job *job);

/* Is it the one of that name, in canonical JSON? */
bool queue_is(const struct queue *queue, const char *name);

/* All there are, in the order of their names. */
void queue_each(const struct parts *parts,
                void (*each)(void *owner, const char *name,
                             int64_t concurrency, int64_t running,
                             int64_t waiting),
                void *owner);

#endif
