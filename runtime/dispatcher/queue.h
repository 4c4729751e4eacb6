/*
 * Queues (protocol §1): named by canonical JSON, first in first out, with the
 * concurrency of their first job; each lives from its first job to its last.
 */
#ifndef HARP_DISPATCHER_QUEUE_H
#define HARP_DISPATCHER_QUEUE_H

struct job;
struct parts;
struct request;

/*
 * Gives a call the concurrency of the queue that it names, if there is one:
 * so it lasts as the queue does, when its first job does not.
 */
void queue_adopt(struct parts *parts, struct request *call);

/* Runs the job when it is its turn: at once if its call names no queue. */
void queue_push(struct job *job, const struct request *call);

/* Takes out a job that waits. */
void queue_remove(struct job *job);

/* A job has ended, however it did: the next one's turn. */
void queue_leave(struct job *job);

/* The same at the end of the dispatcher: nobody's turn comes. */
void queue_discard(struct job *job);

#endif
