/*
 * The jobs that only the caps on calls keep from running: on those of all
 * hosts together, and on those of each host, so that a daemon is not offered
 * more than it takes. Hosts take turns, and so do the queues of a host, among
 * which the jobs without a queue count as one; in each of them it is first
 * in, first out. Nothing here takes longer because many wait.
 */
#ifndef HARP_DISPATCHER_READY_H
#define HARP_DISPATCHER_READY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct job;
struct lane;

/* What is zeroed is empty, after ready_start. */
struct ready {
    void *lanes;                /* of hosts with live jobs: tsearch(3) */
    TAILQ_HEAD(lanes, lane) turns;      /* those with a job that may run */
};

void ready_start(struct ready *ready);

/*
 * Every live job is one of its host's from its submission to its end. For the
 * first one `most` says how many calls of that host may run at once.
 */
void ready_enter(struct ready *ready, struct job *job, const char *host,
                 size_t (*most)(void *owner, const char *host), void *owner);
void ready_leave(struct ready *ready, struct job *job);

/* The job waits for its turn; ready_remove: no longer. */
void ready_push(struct ready *ready, struct job *job);
void ready_remove(struct ready *ready, struct job *job);

/* The next one, which counts as running from now on; NULL: none may run. */
struct job *ready_pop(struct ready *ready);

/* What may run at once may have changed; of one host, of all of them. */
void ready_set_most(struct ready *ready, struct job *job, size_t most);
void ready_set_all(struct ready *ready,
                   size_t (*most)(void *owner, const char *host), void *owner);

#endif
