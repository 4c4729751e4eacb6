/*
 * Live jobs: what is kept of a job in memory, from its submission to its end.
 * The rest of it is in the store.
 *
 *            queue_push          queue lets it go         outcome
 *   submit ─────────────► QUEUED ────────────────► RUNNING ──────► ENDING ─► gone
 *                            └───────── cancel ──────┴───────────────▲
 *
 * An ENDING job's outcome is on its way to the disk; it is told when it is
 * there. The first outcome stands.
 */
#ifndef HARP_DISPATCHER_JOB_H
#define HARP_DISPATCHER_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buffer.h"
#include "dispatcher/store.h"

struct flow;
struct follower;
struct lane;
struct parts;
struct queue;
struct request;
struct run;

enum job_state { QUEUED, RUNNING, ENDING };

struct job {
    TAILQ_ENTRY(job) link;      /* in its queue, while that holds it back… */
    struct flow *flow;          /* …or here, when it is ready to run */
    struct lane *lane;          /* of its host */
    struct parts *parts;
    enum job_state state;
    bool started;               /* it has been RUNNING */
    char id[JOB_ID_SIZE];
    int64_t number;             /* in the store */
    struct queue *queue;        /* NULL when it has none */
    struct run *run;            /* while RUNNING */
    int64_t bytes;              /* of its packets and outcome, so far */
    LIST_HEAD(followers, follower) followers;
};

/* A new id: a random UUID. */
void job_make_id(char id[JOB_ID_SIZE]);

/* A job that is in the store, and is to run in its turn. */
void job_begin(struct parts *parts, int64_t number, const char *id,
               const struct request *call);

/* NULL when it is not live. */
struct job *job_find(struct parts *parts, const char *id);

/* Counts bytes that came for it; ends it, and is false, when it is too much. */
bool job_takes(struct job *job, size_t bytes);

/* A text such as outcome_* write; nothing happens to a job that is ENDING. */
void job_end(struct job *job, struct text outcome);
void job_end_error(struct job *job, const char *type, const char *message);

/* All that run are stopped with `shutdown`; for the end of the dispatcher. */
void job_stop_all(struct parts *parts);

/* Frees what is left in memory; it is all in the store. */
void job_free_all(struct parts *parts);

#endif
