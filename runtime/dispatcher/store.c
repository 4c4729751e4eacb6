/* The queue of operations; what they do to the database is in statements.c. */
#include "dispatcher/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/statements.h"
#include "wire/reply.h"

#define RETRY_TIME 1000         /* ms */

struct store {
    struct statements *statements;
    uv_timer_t retry;           /* of what is kept */
    struct operations writing;
    struct operations reading;
    struct operations kept;     /* they could not be done, and have to be */
    bool failing;               /* to write, and to read */
    bool unreadable;
    bool ending;
};

/* ---- running ---- */

static void complete(struct operation *operation,
                     const struct harp_error *error)
{
    operation->answer.error = error;
    operation->completion.done(operation->completion.owner,
                               &operation->answer);
    operation_free(operation);
}

static struct operation *take_first(struct operations *list)
{
    struct operation *operation = STAILQ_FIRST(list);

    if (operation)
        STAILQ_REMOVE_HEAD(list, link);
    return operation;
}

static void take_kept(struct store *store)
{
    STAILQ_CONCAT(&store->kept, &store->writing);
    STAILQ_CONCAT(&store->writing, &store->kept);
}

static void on_retry(uv_timer_t *timer);

static void retry_later(struct store *store)
{
    uv_timer_start(&store->retry, on_retry, RETRY_TIME, 0);
}

static void on_retry(uv_timer_t *timer)
{
    struct store *store = timer->data;

    take_kept(store);
    if (statements_make_certain(store->statements) != 0)
        retry_later(store);
}

static void keep(struct store *store, struct operation *operation)
{
    STAILQ_INSERT_TAIL(&store->kept, operation, link);
    retry_later(store);
}

/* An outcome that the database does not take is replaced, once. */
static bool is_replaced(struct operation *operation,
                        const struct harp_error *error)
{
    if (operation->kind != END_JOB || operation->replaced)
        return false;
    buffer_free(&operation->text);
    outcome_error(&operation->text, error->type, error->message);
    operation->replaced = true;
    return true;
}

static bool is_kept(struct store *store, struct operation *operation,
                    const struct harp_error *error)
{
    if (store->ending
        || (operation->kind != START_JOB && operation->kind != END_JOB))
        return false;
    return !statements_failed_for_good(store->statements)
        || is_replaced(operation, error);
}

/* The log tells of trouble when it comes and when it goes. */
static void note(bool *trouble, bool failed, const struct harp_error *error)
{
    if (failed && !*trouble)
        log_warn("store: %s", error->message);
    else if (*trouble && !failed)
        log_info("store: works again");
    *trouble = failed;
}

static int write_all(struct store *store, struct operations *batch,
                     struct harp_error *error)
{
    int status = statements_write(store->statements, batch, error);

    note(&store->failing, status != 0, error);
    if (status != 0)
        retry_later(store);
    return status;
}

/* A stream has no gaps, and one with its end cut off does not end well. */
static void give_up_packets(struct operations *batch, int64_t job,
                            const struct harp_error *error)
{
    struct operation *at;

    for (at = STAILQ_FIRST(batch); at; at = STAILQ_NEXT(at, link)) {
        if (at->kind == ADD_PACKET && at->job == job) {
            at->hopeless = true;
        } else if (at->kind == END_JOB && at->job == job) {
            buffer_free(&at->text);
            outcome_error(&at->text, error->type, error->message);
        }
    }
}

static void give_up_syncs(struct operations *batch)
{
    struct operation *at;

    for (at = STAILQ_FIRST(batch); at; at = STAILQ_NEXT(at, link))
        if (at->kind == SYNC)
            at->hopeless = true;
}

/* What fails does so alone, with what may not happen without it. */
static void write_each(struct store *store, struct operations *batch)
{
    struct harp_error error;
    struct operation *operation;

    while ((operation = take_first(batch))) {
        struct operations one = STAILQ_HEAD_INITIALIZER(one);

        STAILQ_INSERT_TAIL(&one, operation, link);
        if (!operation->hopeless && write_all(store, &one, &error) == 0) {
            complete(operation, NULL);
            continue;
        }
        if (operation->kind == ADD_PACKET && !operation->hopeless)
            give_up_packets(batch, operation->job, &error);
        if (operation->kind == END_JOB)
            give_up_syncs(batch);
        if (is_kept(store, operation, &error))
            keep(store, operation);
        else
            complete(operation, &error);
    }
}

/* All in one transaction, then the completions. */
static void flush_writing(struct store *store)
{
    struct operations batch = STAILQ_HEAD_INITIALIZER(batch);
    struct harp_error error;
    struct operation *operation;

    STAILQ_CONCAT(&batch, &store->writing);
    if (STAILQ_EMPTY(&batch))
        return;
    if (write_all(store, &batch, &error) != 0)
        write_each(store, &batch);
    while ((operation = take_first(&batch)))
        complete(operation, NULL);
}

/* The answer lies in the database's memory while it is told. */
static void flush_reading(struct store *store)
{
    struct operations batch = STAILQ_HEAD_INITIALIZER(batch);
    struct harp_error error;
    struct operation *operation;

    STAILQ_CONCAT(&batch, &store->reading);
    while ((operation = take_first(&batch))) {
        bool failed = statements_read(store->statements, operation, &error)
                   != 0;

        note(&store->unreadable, failed, &error);
        complete(operation, failed ? &error : NULL);
        statements_release(store->statements);
    }
}

void store_flush(struct store *store)
{
    flush_writing(store);
    flush_reading(store);
}

bool store_is_busy(const struct store *store)
{
    return !STAILQ_EMPTY(&store->writing) || !STAILQ_EMPTY(&store->reading);
}

/* ---- opening and closing ---- */

struct store *store_open(uv_loop_t *loop, const char *path,
                         struct harp_error *error)
{
    struct statements *statements = statements_open(path, error);
    struct store *store;

    if (!statements)
        return NULL;
    store = memory_new(sizeof *store);
    store->statements = statements;
    STAILQ_INIT(&store->writing);
    STAILQ_INIT(&store->reading);
    STAILQ_INIT(&store->kept);
    uv_timer_init(loop, &store->retry);
    store->retry.data = store;
    return store;
}

void store_end(struct store *store)
{
    store->ending = true;
    take_kept(store);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    statements_close(store->statements);
    uv_close((uv_handle_t *)&store->retry, on_closed);
}

int store_recover(struct store *store, struct text outcome,
                  void (*each)(void *owner, int64_t job, const char *id,
                               const struct request *call),
                  void *owner, struct harp_error *error)
{
    return statements_recover(store->statements, outcome, each, owner, error);
}

/* ---- queueing ---- */

static struct operation *queue(struct operations *list,
                               enum operation_kind kind,
                               struct store_completion completion)
{
    struct operation *operation = memory_new(sizeof *operation);

    operation->kind = kind;
    operation->completion = completion;
    STAILQ_INSERT_TAIL(list, operation, link);
    return operation;
}

static void set_id(struct operation *operation, const char *id)
{
    strncpy(operation->id, id, sizeof operation->id - 1);
    /* Longer than any id: it cannot be one, and must not look like one. */
    if (strlen(id) >= sizeof operation->id)
        operation->id[0] = '\0';
}

void store_add_job(struct store *store, const char *id,
                   const struct request *call,
                   struct store_completion completion)
{
    struct operation *operation = queue(&store->writing, ADD_JOB, completion);

    set_id(operation, id);
    operation->call = call;
}

void store_start_job(struct store *store, int64_t job,
                     struct store_completion completion)
{
    queue(&store->writing, START_JOB, completion)->job = job;
}

void store_add_packet(struct store *store, int64_t job, int64_t number,
                      struct text data, struct store_completion completion)
{
    struct operation *operation = queue(&store->writing, ADD_PACKET,
                                        completion);

    operation->job = job;
    operation->number = number;
    buffer_add_text(&operation->text, data);
}

void store_end_job(struct store *store, int64_t job, struct text outcome,
                   struct store_completion completion)
{
    struct operation *operation = queue(&store->writing, END_JOB, completion);

    operation->job = job;
    buffer_add_text(&operation->text, outcome);
}

const struct store_place store_oldest = { -INFINITY, 0 };

void store_prune(struct store *store, const struct store_excess *excess,
                 struct store_place place, struct store_completion completion)
{
    struct operation *operation = queue(&store->writing, PRUNE, completion);

    operation->excess = *excess;
    operation->place = place;
}

void store_sync(struct store *store, struct store_completion completion)
{
    queue(&store->writing, SYNC, completion);
}

void store_read_status(struct store *store, const char *id,
                       struct store_completion completion)
{
    set_id(queue(&store->reading, READ_STATUS, completion), id);
}

void store_read_page(struct store *store, const char *id, int64_t since,
                     int64_t recent,
                     void (*each)(void *owner,
                                  const struct store_packet *packet),
                     struct store_completion completion)
{
    struct operation *operation = queue(&store->reading, READ_PAGE,
                                        completion);

    set_id(operation, id);
    operation->number = since;
    operation->recent = recent;
    operation->each_packet = each;
}

/* Just before the newest one of interest: numbers begin at 1. */
struct store_place store_first_place(const struct request_filter *filter)
{
    return filter->until > 0 ? (struct store_place){ filter->until, 0 }
                             : (struct store_place){ INFINITY, 0 };
}

void store_list_jobs(struct store *store, const struct request_filter *filter,
                     struct store_place place, int64_t most,
                     void (*each)(void *owner, const struct reply_job *job),
                     struct store_completion completion)
{
    struct operation *operation = queue(&store->reading, LIST_JOBS,
                                        completion);

    operation->filter = filter;
    operation->place = place;
    operation->most = most;
    operation->each_job = each;
}
