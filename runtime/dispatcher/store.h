/*
 * What must last: jobs, their packets and their outcomes. Every operation is
 * queued, and done at the end of the turn of the loop. First come those that
 * write, in order, all in one transaction; they complete, in order, after its
 * commit. When that fails they run one by one, so that what cannot be done
 * fails alone. Then come those that read, each one completing before the next
 * one runs. So whatever an answer tells is on disk.
 *
 * The start and the end of a job do not fail: when the disk is full, say, they
 * are tried again until they are on it, and complete then. But a database that
 * is damaged where they have to go would never take them: then they fail.
 *
 * Nothing of the database shows here: another store can stand beside it.
 */
#ifndef HARP_DISPATCHER_STORE_H
#define HARP_DISPATCHER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buffer.h"

struct harp_error;
struct reply_job;
struct request;
struct request_filter;
struct store;

#define JOB_ID_SIZE 37          /* a UUID and its NUL */

struct store_packet {
    int64_t number;
    struct text data;
    double time;                /* when it was stored; unix seconds */
};

/*
 * In the list of all jobs, which begins with the newest; or of those that have
 * ended, which begins with the oldest.
 */
struct store_place {
    double time;                /* of the submission; of the end */
    int64_t number;
};

/* What is too old, or too much. */
struct store_excess {
    double before;              /* jobs that ended earlier; unix seconds */
    int64_t keep_bytes;         /* of the database in use; 0: any number */
    bool (*is_spared)(void *owner, const char *id);
    void *owner;                /* of that; not the completion's */
};

/* What an operation came to; valid during the completion. */
struct store_answer {
    const struct harp_error *error;     /* NULL when all went well */
    int64_t number;                     /* of the job, in the store */
    const char *duplicate;              /* id of the job that has the key */
    const struct request *call;         /* as it was submitted */
    const struct reply_job *job;        /* NULL when it is not there */

    /* of a page of packets or jobs */
    bool found;                         /* the job is there */
    int64_t next;                       /* the packet behind the last one */
    struct text outcome;                /* empty until the job has ended */
    int64_t count;                      /* of jobs that it told of, or pruned */
    struct store_place place;           /* where it ended */
    bool complete;                      /* with the last one there is */
};

/* `owner` is handed back; the answer is the only news there is. */
struct store_completion {
    void (*done)(void *owner, const struct store_answer *answer);
    void *owner;
};

struct store *store_open(uv_loop_t *loop, const char *path,
                         struct harp_error *error);

/*
 * Does what was queued, to be called at the end of each turn of the loop.
 * What the completions queue is left to the next one, but for that which
 * those of the writing ones have to read.
 */
void store_flush(struct store *store);
bool store_is_busy(const struct store *store);  /* is anything queued? */

/* From here on starts and ends can fail too. */
void store_end(struct store *store);

void store_close(struct store *store);

/*
 * For the start: jobs that were running get `outcome`; `each` is told of the
 * queued ones, in the order of their submission.
 */
int store_recover(struct store *store, struct text outcome,
                  void (*each)(void *owner, int64_t job, const char *id,
                               const struct request *call),
                  void *owner, struct harp_error *error);

/* ---- writing: texts are copied ---- */

/*
 * The call is the owner's until the completion, which tells the number or, if
 * the call has a dedup key that a job of its window has too, that job's id:
 * nothing is added then. That job may have been removed since.
 */
void store_add_job(struct store *store, const char *id,
                   const struct request *call,
                   struct store_completion completion);

/* The completion tells the call. */
void store_start_job(struct store *store, int64_t job,
                     struct store_completion completion);
void store_add_packet(struct store *store, int64_t job, int64_t number,
                      struct text data, struct store_completion completion);
void store_end_job(struct store *store, int64_t job, struct text outcome,
                   struct store_completion completion);

/*
 * A step in removing jobs, which takes some milliseconds: the longest ended
 * first, and none that has not ended or is spared. Job by job: it is gone for
 * all at once, its packets in many steps, and its dedup key when the window of
 * that is over. The answer tells how many jobs went and, if it is not complete,
 * at which place the next step is to go on.
 */
extern const struct store_place store_oldest;
void store_prune(struct store *store, const struct store_excess *excess,
                 struct store_place place,
                 struct store_completion completion);

/* Completes when all that was queued before it, in this turn, is on disk. */
void store_sync(struct store *store, struct store_completion completion);

/* ---- reading ---- */

/* The completion tells of the job. */
void store_read_status(struct store *store, const char *id,
                       struct store_completion completion);

/*
 * A page of packets from number `since` on or, when that is -1, of the
 * `recent` last ones; -1 for both: no packets. `each` is told of them before
 * the completion; the outcome, if there is one, comes with the page that is
 * complete.
 */
void store_read_page(struct store *store, const char *id, int64_t since,
                     int64_t recent,
                     void (*each)(void *owner,
                                  const struct store_packet *packet),
                     struct store_completion completion);

/*
 * A page of the jobs that the filter selects, `most` at most if that is not
 * -1. It may be empty and not complete. The filter is the owner's until the
 * completion.
 */
struct store_place store_first_place(const struct request_filter *filter);
void store_list_jobs(struct store *store, const struct request_filter *filter,
                     struct store_place place, int64_t most,
                     void (*each)(void *owner, const struct reply_job *job),
                     struct store_completion completion);

#endif
