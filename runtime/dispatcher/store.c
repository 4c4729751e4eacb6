/* The queue of operations; what they do to the database is in statements.c. */
#include "dispatcher/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/statements.h"

struct store {
    struct statements *statements;
    uv_prepare_t flush;         /* before the loop waits */
    uv_idle_t more;             /* so that it does not, when there is more */
    struct operations queue;
};

static void complete(struct operation *operation,
                     const struct harp_error *error)
{
    operation->answer.error = error;
    operation->completion.done(operation->completion.owner,
                               &operation->answer);
    operation_free(operation);
}

/* All of the queue in one transaction, then the completions. */
static void flush(struct store *store)
{
    struct operations batch = STAILQ_HEAD_INITIALIZER(batch);
    struct harp_error error;
    struct operation *operation;
    bool failed;

    STAILQ_CONCAT(&batch, &store->queue);
    if (STAILQ_EMPTY(&batch))
        return;
    failed = statements_transaction(store->statements, &batch, &error) != 0;
    if (failed)
        log_warn("store: %s", error.message);
    while ((operation = STAILQ_FIRST(&batch))) {
        STAILQ_REMOVE_HEAD(&batch, link);
        complete(operation, failed ? &error : NULL);
    }
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
    uv_prepare_init(loop, &store->flush);
    uv_idle_init(loop, &store->more);
    store->flush.data = store->more.data = store;
    uv_prepare_start(&store->flush, on_prepare);
    uv_unref((uv_handle_t *)&store->flush);
    return store;
}

static void free_store(uv_handle_t *flush)
{
    free(flush->data);
}

/* One after the other: libuv says nothing of the order of what it closes. */
static void close_flush(uv_handle_t *more)
{
    struct store *store = more->data;

    uv_close((uv_handle_t *)&store->flush, free_store);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    while (!STAILQ_EMPTY(&store->queue))
        flush(store);
    statements_close(store->statements);
    uv_close((uv_handle_t *)&store->more, close_flush);
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
