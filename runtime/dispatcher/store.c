/* The queue of operations; what they do to the database is in statements.c. */
#include "dispatcher/store.h"

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
    uv_prepare_t flush;         /* before the loop waits */
    uv_idle_t more;             /* so that it does not, when there is more */
    uv_timer_t retry;           /* of what is kept */
    int handles;                /* of the three that are not closed yet */
    struct operations queue;
    struct operations kept;     /* they could not be done, and have to be */
    bool failing;               /* as the last of the transactions did */
    bool closing;
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
    STAILQ_CONCAT(&store->kept, &store->queue);
    STAILQ_CONCAT(&store->queue, &store->kept);
}

static void on_retry(uv_timer_t *timer)
{
    take_kept(timer->data);
}

static void keep(struct store *store, struct operation *operation)
{
    STAILQ_INSERT_TAIL(&store->kept, operation, link);
    uv_timer_start(&store->retry, on_retry, RETRY_TIME, 0);
}

static bool is_kept(struct store *store, const struct operation *operation)
{
    return !store->closing
        && (operation->kind == START_JOB || operation->kind == END_JOB);
}

/* The log tells of trouble when it comes and when it goes. */
static int run(struct store *store, struct operations *batch,
               struct harp_error *error)
{
    bool failed = statements_transaction(store->statements, batch, error) != 0;

    if (failed && !store->failing)
        log_warn("store: %s", error->message);
    else if (store->failing && !failed)
        log_info("store: works again");
    store->failing = failed;
    return failed ? -1 : 0;
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
static void run_each(struct store *store, struct operations *batch)
{
    struct harp_error error;
    struct operation *operation;

    while ((operation = take_first(batch))) {
        struct operations one = STAILQ_HEAD_INITIALIZER(one);

        STAILQ_INSERT_TAIL(&one, operation, link);
        if (!operation->hopeless && run(store, &one, &error) == 0) {
            complete(operation, NULL);
            continue;
        }
        if (operation->kind == ADD_PACKET && !operation->hopeless)
            give_up_packets(batch, operation->job, &error);
        if (operation->kind == END_JOB)
            give_up_syncs(batch);
        if (is_kept(store, operation))
            keep(store, operation);
        else
            complete(operation, &error);
    }
}

/* All of the queue in one transaction, then the completions. */
static void flush(struct store *store)
{
    struct operations batch = STAILQ_HEAD_INITIALIZER(batch);
    struct harp_error error;
    struct operation *operation;

    STAILQ_CONCAT(&batch, &store->queue);
    if (STAILQ_EMPTY(&batch))
        return;
    if (run(store, &batch, &error) != 0)
        run_each(store, &batch);
    while ((operation = take_first(&batch)))
        complete(operation, NULL);
}

static void no_wait(uv_idle_t *idle)
{
    (void)idle;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct store *store = prepare->data;

    flush(store);
    if (STAILQ_EMPTY(&store->queue))
        uv_idle_stop(&store->more);
    else
        uv_idle_start(&store->more, no_wait);
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
    STAILQ_INIT(&store->queue);
    STAILQ_INIT(&store->kept);
    uv_prepare_init(loop, &store->flush);
    uv_idle_init(loop, &store->more);
    uv_timer_init(loop, &store->retry);
    store->handles = 3;
    store->flush.data = store->more.data = store->retry.data = store;
    uv_prepare_start(&store->flush, on_prepare);
    uv_unref((uv_handle_t *)&store->flush);
    return store;
}

static void on_closed(uv_handle_t *handle)
{
    struct store *store = handle->data;

    if (--store->handles == 0)
        free(store);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store->closing = true;
    take_kept(store);
    while (!STAILQ_EMPTY(&store->queue))
        flush(store);
    statements_close(store->statements);
    uv_close((uv_handle_t *)&store->flush, on_closed);
    uv_close((uv_handle_t *)&store->more, on_closed);
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

static struct operation *queue(struct store *store,
                               enum operation_kind kind,
                               struct store_completion completion)
{
    struct operation *operation = memory_new(sizeof *operation);

    operation->kind = kind;
    operation->completion = completion;
    STAILQ_INSERT_TAIL(&store->queue, operation, link);
    return operation;
}

static void set_id(struct operation *operation, const char *id)
{
    strncpy(operation->id, id, sizeof operation->id - 1);
    /* Longer than any id: it cannot be one, and must not look like one. */
    if (strlen(id) >= sizeof operation->id)
        operation->id[0] = '\0';
}

static void copy_call(struct request *copy, const struct request *call)
{
    *copy = *call;
    copy->host = memory_string(call->host);
    copy->procedure = memory_string(call->procedure);
    copy->arguments = memory_string(call->arguments);
    copy->info = memory_string(call->info);
    copy->queue = memory_string(call->queue);
    copy->job_id = NULL;
}

void store_add_job(struct store *store, const char *id,
                   const struct request *call,
                   struct store_completion completion)
{
    struct operation *operation = queue(store, ADD_JOB, completion);

    set_id(operation, id);
    copy_call(&operation->call, call);
}

void store_start_job(struct store *store, int64_t job,
                     struct store_completion completion)
{
    queue(store, START_JOB, completion)->job = job;
}

void store_add_packet(struct store *store, int64_t job, int64_t number,
                      struct text data, struct store_completion completion)
{
    struct operation *operation = queue(store, ADD_PACKET, completion);

    operation->job = job;
    operation->number = number;
    buffer_add_text(&operation->text, data);
}

void store_end_job(struct store *store, int64_t job, struct text outcome,
                   struct store_completion completion)
{
    struct operation *operation = queue(store, END_JOB, completion);

    operation->job = job;
    buffer_add_text(&operation->text, outcome);
}

void store_read_status(struct store *store, const char *id,
                       struct store_completion completion)
{
    set_id(queue(store, READ_STATUS, completion), id);
}

void store_read_page(struct store *store, const char *id, int64_t since,
                     int64_t recent, struct store_completion completion)
{
    struct operation *operation = queue(store, READ_PAGE, completion);

    set_id(operation, id);
    operation->number = since;
    operation->recent = recent;
}

void store_sync(struct store *store, struct store_completion completion)
{
    queue(store, SYNC, completion);
}
