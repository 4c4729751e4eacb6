/*
 * The jobs that could run but for the cap on calls that run at once: a heap,
 * with the job that was submitted first on top.
 */
#ifndef HARP_DISPATCHER_READY_H
#define HARP_DISPATCHER_READY_H

#include <stddef.h>

struct job;

struct ready {
    struct job **heap;          /* from 1 on; a job knows its place */
    size_t count;
    size_t room;
};

void ready_push(struct ready *ready, struct job *job);

/* NULL when there is none. */
struct job *ready_pop(struct ready *ready);

void ready_remove(struct ready *ready, struct job *job);
void ready_free(struct ready *ready);   /* not the jobs */

#endif
