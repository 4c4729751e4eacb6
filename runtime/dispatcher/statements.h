/*
 * What the store's operations do to the database: those that write in one
 * transaction for a list of them, those that read one at a time.
 */
#ifndef HARP_DISPATCHER_STATEMENTS_H
#define HARP_DISPATCHER_STATEMENTS_H

#include <sys/queue.h>

#include "dispatcher/store.h"
#include "wire/request.h"

struct statements;

enum operation_kind {
    ADD_JOB, START_JOB, ADD_PACKET, END_JOB, SYNC, PRUNE,   /* these write */
    READ_STATUS, READ_PAGE, LIST_JOBS                       /* these read */
};

/* An operation of the store: what it needs and, once run, its answer. */
struct operation {
    STAILQ_ENTRY(operation) link;
    enum operation_kind kind;
    struct store_completion completion;

    char id[JOB_ID_SIZE];
    int64_t job;
    int64_t number;             /* of a packet; READ_PAGE: the first wanted */
    int64_t recent;
    struct buffer text;         /* a packet, an outcome */
    const struct request *call; /* the owner's */
    void (*each_packet)(void *owner, const struct store_packet *packet);
    const struct request_filter *filter;        /* the owner's */
    struct store_place place;
    int64_t most;
    void (*each_job)(void *owner, const struct reply_job *job);
    struct store_excess excess;
    bool hopeless;              /* to fail without being run */
    bool replaced;              /* the outcome, by one that should fit */

    struct store_answer answer; /* and what it points to: */
    char duplicate[JOB_ID_SIZE];
    struct request *call_copy;
};

STAILQ_HEAD(operations, operation);

void operation_free(struct operation *operation);

struct statements *statements_open(const char *path,
                                   struct harp_error *error);
void statements_close(struct statements *statements);

/* All or none, and no answers then; the error is a system_error. */
int statements_write(struct statements *statements, struct operations *batch,
                     struct harp_error *error);

/*
 * When a commit failed in a way that a crash could undo, it is made sure that
 * it did not happen; -1 while that fails too. Errors tell of the doubt.
 */
int statements_make_certain(struct statements *statements);

/* What failed last: would it fail again, whenever it is tried? */
bool statements_failed_for_good(const struct statements *statements);

/* The answer is valid until the release. */
int statements_read(struct statements *statements,
                    struct operation *operation, struct harp_error *error);
void statements_release(struct statements *statements);

int statements_recover(struct statements *statements, struct text outcome,
                       void (*each)(void *owner, int64_t job, const char *id,
                                    const struct request *call),
                       void *owner, struct harp_error *error);

#endif
