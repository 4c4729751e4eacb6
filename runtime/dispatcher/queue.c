#include "dispatcher/queue.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "dispatcher/hosts.h"
#include "dispatcher/job.h"
#include "dispatcher/parts.h"
#include "dispatcher/run.h"
#include "wire/request.h"

struct queue {
    char *name;                 /* canonical JSON */
    int64_t concurrency;
    int64_t let_go;             /* jobs that were and are not yet gone… */
    int64_t running;            /* …and have started */
    int64_t queued;             /* jobs that have not */
    size_t jobs;                /* all of them */
    TAILQ_HEAD(jobs, job) held; /* those that were not let go */
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
    TAILQ_INIT(&queue->held);
    if (!tsearch(queue, &parts->queues, by_name))
        abort();
    return queue;
}

static void start(struct job *job)
{
    job->state = RUNNING;
    job->started = true;
    job->parts->running++;
    if (job->queue) {
        job->queue->running++;
        job->queue->queued--;
    }
    job->run = run_start(job);
}

/* As many as may run at once. */
static void start_ready(struct parts *parts)
{
    struct job *job;

    while (!parts->stopping && parts->running < parts->settings.most_running
           && (job = ready_pop(&parts->ready)))
        start(job);
}

static void let_go(struct queue *queue)
{
    struct job *job;

    while (queue->let_go < queue->concurrency
           && (job = TAILQ_FIRST(&queue->held))) {
        TAILQ_REMOVE(&queue->held, job, link);
        queue->let_go++;
        ready_push(&job->parts->ready, job);
    }
}

static void join(struct queue *queue, struct job *job)
{
    job->queue = queue;
    queue->jobs++;
    queue->queued++;
    TAILQ_INSERT_TAIL(&queue->held, job, link);
    let_go(queue);
}

static size_t most_of(void *owner, const char *host)
{
    const struct parts *parts = owner;

    return hosts_most_running(parts->hosts, host);
}

void queue_push(struct job *job, const struct request *call)
{
    job->state = QUEUED;
    ready_enter(&job->parts->ready, job, call->host, most_of, job->parts);
    if (call->queue)
        join(queue_of(job->parts, call), job);
    else
        ready_push(&job->parts->ready, job);
    start_ready(job->parts);
}

/* It leaves like one that was let go: count it as such. */
void queue_remove(struct job *job)
{
    struct queue *queue = job->queue;

    if (job->flow) {
        ready_remove(&job->parts->ready, job);
    } else {
        TAILQ_REMOVE(&queue->held, job, link);
        queue->let_go++;
    }
    if (queue)
        queue->queued--;
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
    struct parts *parts = job->parts;
    struct queue *queue = job->queue;

    parts->running -= job->started;
    ready_leave(&parts->ready, job);
    if (queue) {
        queue->running -= job->started;
        queue->let_go--;
        queue->jobs--;
        let_go(queue);
        free_if_empty(parts, queue);
    }
    start_ready(parts);
}

void queue_look(struct parts *parts)
{
    ready_set_all(&parts->ready, most_of, parts);
    if (!parts->stopping)
        start_ready(parts);
}

void queue_discard(struct job *job)
{
    struct queue *queue = job->queue;

    if (job->flow)
        ready_remove(&job->parts->ready, job);
    else if (job->state == QUEUED)
        TAILQ_REMOVE(&queue->held, job, link);
    ready_leave(&job->parts->ready, job);
    if (!queue)
        return;
    queue->jobs--;
    free_if_empty(job->parts, queue);
}

bool queue_is(const struct queue *queue, const char *name)
{
    return strcmp(queue->name, name) == 0;
}

struct visitor {
    void (*each)(void *owner, const char *name, int64_t concurrency,
                 int64_t running, int64_t waiting);
    void *owner;
};

static void visit_queue(const void *node, VISIT visit, void *context)
{
    const struct queue *queue = *(struct queue *const *)node;
    const struct visitor *visitor = context;

    if (visit == postorder || visit == leaf)
        visitor->each(visitor->owner, queue->name, queue->concurrency,
                      queue->running, queue->queued);
}

void queue_each(const struct parts *parts,
                void (*each)(void *owner, const char *name,
                             int64_t concurrency, int64_t running,
                             int64_t waiting),
                void *owner)
{
    struct visitor visitor = { each, owner };

    twalk_r(parts->queues, visit_queue, &visitor);
}
