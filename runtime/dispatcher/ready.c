#include "dispatcher/ready.h"

#include <stdlib.h>

#include "base/memory.h"
#include "dispatcher/job.h"

static void put(struct ready *ready, size_t place, struct job *job)
{
    ready->heap[place] = job;
    job->place = place;
}

/* From the place on towards the top, where it belongs. */
static void rise(struct ready *ready, size_t place, struct job *job)
{
    while (place > 1 && job->number < ready->heap[place / 2]->number) {
        put(ready, place, ready->heap[place / 2]);
        place /= 2;
    }
    put(ready, place, job);
}

static void sink(struct ready *ready, size_t place, struct job *job)
{
    size_t below;

    while ((below = 2 * place) <= ready->count) {
        if (below < ready->count
            && ready->heap[below + 1]->number < ready->heap[below]->number)
            below++;
        if (job->number < ready->heap[below]->number)
            break;
        put(ready, place, ready->heap[below]);
        place = below;
    }
    put(ready, place, job);
}

void ready_push(struct ready *ready, struct job *job)
{
    if (++ready->count >= ready->room) {
        ready->room = ready->room ? 2 * ready->room : 64;
        ready->heap = memory_grow(ready->heap,
                                  ready->room * sizeof *ready->heap);
    }
    rise(ready, ready->count, job);
}

void ready_remove(struct ready *ready, struct job *job)
{
    struct job *last = ready->heap[ready->count--];
    size_t place = job->place;

    job->place = 0;
    if (last == job)
        return;
    if (last->number < job->number)
        rise(ready, place, last);
    else
        sink(ready, place, last);
}

struct job *ready_pop(struct ready *ready)
{
    struct job *job = ready->count ? ready->heap[1] : NULL;

    if (job)
        ready_remove(ready, job);
    return job;
}

void ready_free(struct ready *ready)
{
    free(ready->heap);
    *ready = (struct ready){ 0 };
}
