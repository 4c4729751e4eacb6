#include "dispatcher/queue.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "dispatcher/job.h"
#include "dispatcher/parts.h"
#include "dispatcher/run.h"
#include "wire/request.h"

struct queue {
    char *name;                 /* canonical JSON */
    int64_t concurrency;
    int64_t running;            /* started and not yet gone */
    size_t jobs;                /* all of them */
    TAILQ_HEAD(jobs, job) waiting;
};

static int by_name(const void *left, const void *right)
{
    const struct queue *a = left, *b = right;

    return strcmp(a->name, b->name);
}

/* NULL when there is none. */
static struct queue *find(struct parts *parts, const struct request *call)
{
    struct queue key = { .name = call->queue };
    struct queue **found = tfind(&key, &parts->queues, by_name);

    return found ? *found : NULL;
}

void queue_adopt(struct parts *parts, struct request *call)
{
    struct queue *queue = call->queue ? find(parts, call) : NULL;

    if (queue)
        call->concurrency = queue->concurrency;
}

static struct queue *queue_of(struct parts *parts, const struct request *call)
{
    struct queue *queue = find(parts, call);

    if (queue)
        return queue;
    queue = memory_new(sizeof *queue);
    queue->name = memory_string(call->queue);
    queue->concurrency = call->concurrency;
    TAILQ_INIT(&queue->waiting);
    if (!tsearch(queue, &parts->queues, by_name))
        abort();
    return queue;
}

static void start(struct job *job)
{
    job->state = RUNNING;
    job->run = run_start(job);
}

static void let_go(struct queue *queue)
{
    struct job *job;

    while (queue->running < queue->concurrency
           && (job = TAILQ_FIRST(&queue->waiting))) {
        TAILQ_REMOVE(&queue->waiting, job, link);
        queue->running++;
        start(job);
    }
}

void queue_push(struct job *job, const struct request *call)
{
    if (!call->queue) {
        start(job);
        return;
    }
    job->queue = queue_of(job->parts, call);
    job->queue->jobs++;
    job->state = QUEUED;
    TAILQ_INSERT_TAIL(&job->queue->waiting, job, link);
    let_go(job->queue);
}

/* It was never running, but leaves like one that was: count it as such. */
void queue_remove(struct job *job)
{
    TAILQ_REMOVE(&job->queue->waiting, job, link);
    job->queue->running++;
}

static void free_if_empty(struct parts *parts, struct queue *queue)
{
    if (queue->jobs > 0)
        return;
    tdelete(queue, &parts->queues, by_name);
    free(queue->name);
    free(queue);
}

void queue_leave(struct job *job)
{
    struct queue *queue = job->queue;

    if (!queue)
        return;
    queue->jobs--;
    queue->running--;
    if (!job->parts->stopping)
        let_go(queue);
    free_if_empty(job->parts, queue);
}

void queue_discard(struct job *job)
{
    if (!job->queue)
        return;
    if (job->state == QUEUED)
        TAILQ_REMOVE(&job->queue->waiting, job, link);
    job->queue->jobs--;
    free_if_empty(job->parts, job->queue);
}
