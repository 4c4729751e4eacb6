#include "dispatcher/ready.h"

#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "dispatcher/job.h"

/* The jobs of a host and a queue that wait; there as long as there are any. */
struct flow {
    TAILQ_ENTRY(flow) link;     /* those of its lane take turns */
    const struct queue *queue;
    struct lane *lane;
    TAILQ_HEAD(waiting, job) jobs;
};

/* A host's. */
struct lane {
    TAILQ_ENTRY(lane) link;     /* while it is in the turns */
    bool in_turn;
    char *host;
    size_t jobs;                /* live ones */
    size_t running;
    size_t most;
    void *tree;                 /* of its flows, by queue: tsearch(3) */
    TAILQ_HEAD(flows, flow) flows;
};

void ready_start(struct ready *ready)
{
    ready->lanes = NULL;
    TAILQ_INIT(&ready->turns);
}

/* ---- hosts ---- */

static int by_host(const void *left, const void *right)
{
    const struct lane *a = left, *b = right;

    return strcmp(a->host, b->host);
}

static struct lane *find_lane(struct ready *ready, const char *host)
{
    struct lane key = { .host = (char *)(uintptr_t)host };
    struct lane **found = tfind(&key, &ready->lanes, by_host);

    return found ? *found : NULL;
}

static struct lane *new_lane(struct ready *ready, const char *host)
{
    struct lane *lane = memory_new(sizeof *lane);

    lane->host = memory_string(host);
    TAILQ_INIT(&lane->flows);
    if (!tsearch(lane, &ready->lanes, by_host))
        abort();
    return lane;
}

/* It is in the turns while it has a job that may run. */
static void settle(struct ready *ready, struct lane *lane)
{
    bool able = !TAILQ_EMPTY(&lane->flows) && lane->running < lane->most;

    if (able && !lane->in_turn)
        TAILQ_INSERT_TAIL(&ready->turns, lane, link);
    else if (!able && lane->in_turn)
        TAILQ_REMOVE(&ready->turns, lane, link);
    lane->in_turn = able;
}

void ready_enter(struct ready *ready, struct job *job, const char *host,
                 size_t (*most)(void *owner, const char *host), void *owner)
{
    job->lane = find_lane(ready, host);
    if (!job->lane) {
        job->lane = new_lane(ready, host);
        job->lane->most = most(owner, host);
    }
    job->lane->jobs++;
}

void ready_leave(struct ready *ready, struct job *job)
{
    struct lane *lane = job->lane;

    lane->jobs--;
    lane->running -= job->started;
    settle(ready, lane);
    if (lane->jobs > 0)
        return;
    tdelete(lane, &ready->lanes, by_host);
    free(lane->host);
    free(lane);
}

void ready_set_most(struct ready *ready, struct job *job, size_t most)
{
    job->lane->most = most;
    settle(ready, job->lane);
}

/* What twalk_r hands on. */
struct change {
    struct ready *ready;
    size_t (*most)(void *owner, const char *host);
    void *owner;
};

static void change_lane(const void *node, VISIT visit, void *context)
{
    struct lane *lane = *(struct lane *const *)node;
    const struct change *change = context;

    if (visit != postorder && visit != leaf)
        return;
    lane->most = change->most(change->owner, lane->host);
    settle(change->ready, lane);
}

void ready_set_all(struct ready *ready,
                   size_t (*most)(void *owner, const char *host), void *owner)
{
    struct change change = { ready, most, owner };

    twalk_r(ready->lanes, change_lane, &change);
}

/* ---- the queues of a host ---- */

static int by_queue(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t)((const struct flow *)left)->queue;
    uintptr_t b = (uintptr_t)((const struct flow *)right)->queue;

    return (a > b) - (a < b);
}

static struct flow *flow_of(struct lane *lane, const struct queue *queue)
{
    struct flow key = { .queue = queue };
    struct flow **found = tfind(&key, &lane->tree, by_queue), *flow;

    if (found)
        return *found;
    flow = memory_new(sizeof *flow);
    flow->queue = queue;
    flow->lane = lane;
    TAILQ_INIT(&flow->jobs);
    TAILQ_INSERT_TAIL(&lane->flows, flow, link);
    if (!tsearch(flow, &lane->tree, by_queue))
        abort();
    return flow;
}

void ready_push(struct ready *ready, struct job *job)
{
    job->flow = flow_of(job->lane, job->queue);
    TAILQ_INSERT_TAIL(&job->flow->jobs, job, link);
    settle(ready, job->lane);
}

static void take_out(struct job *job)
{
    struct flow *flow = job->flow;
    struct lane *lane = flow->lane;

    TAILQ_REMOVE(&flow->jobs, job, link);
    job->flow = NULL;
    if (!TAILQ_EMPTY(&flow->jobs))
        return;
    TAILQ_REMOVE(&lane->flows, flow, link);
    tdelete(flow, &lane->tree, by_queue);
    free(flow);
}

void ready_remove(struct ready *ready, struct job *job)
{
    take_out(job);
    settle(ready, job->lane);
}

/* The host and the queue that had a turn are the last ones now. */
struct job *ready_pop(struct ready *ready)
{
    struct lane *lane = TAILQ_FIRST(&ready->turns);
    struct flow *flow;
    struct job *job;

    if (!lane)
        return NULL;
    TAILQ_REMOVE(&ready->turns, lane, link);
    lane->in_turn = false;
    flow = TAILQ_FIRST(&lane->flows);
    TAILQ_REMOVE(&lane->flows, flow, link);
    TAILQ_INSERT_TAIL(&lane->flows, flow, link);
    job = TAILQ_FIRST(&flow->jobs);
    take_out(job);
    lane->running++;
    settle(ready, lane);
    return job;
}
