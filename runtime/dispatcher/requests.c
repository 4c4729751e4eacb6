#include "dispatcher/requests.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/exchange.h"
#include "dispatcher/follow.h"
#include "dispatcher/job.h"
#include "dispatcher/lists.h"
#include "dispatcher/parts.h"
#include "dispatcher/queue.h"
#include "dispatcher/store.h"
#include "wire/reply.h"

static void answer_error(struct exchange *exchange,
                         const struct harp_error *error)
{
    exchange_answer_error(exchange, error->type, error->message);
}

/* ---- submit ---- */

/*
 * The job begins even when its client is gone by now: it was promised to the
 * store. Its id is in the request, where the others have theirs.
 */
static void begin(struct exchange *exchange, int64_t number)
{
    const struct request *call = &exchange->request;

    log_event("submitted", "job", call->job_id, "host", call->host,
              "procedure", call->procedure, "queue", call->queue, NULL);
    job_begin(exchange->parts, number, call->job_id, call);
}

static void on_added(void *owner, const struct store_answer *answer)
{
    struct exchange *exchange = owner;
    const char *duplicate = answer->duplicate;

    if (duplicate)
        log_event("submitted_again", "job", duplicate, NULL);
    else if (!answer->error)
        begin(exchange, answer->number);
    if (!exchange_resume(exchange))
        return;
    if (answer->error) {
        answer_error(exchange, answer->error);
    } else {
        reply_job_id(&exchange->lines,
                     duplicate ? duplicate : exchange->request.job_id,
                     duplicate != NULL);
        exchange_answer(exchange, &exchange->lines);
    }
}

static void submit(struct exchange *exchange)
{
    char id[JOB_ID_SIZE];

    if (exchange->parts->stopping) {
        exchange_answer_error(exchange, "shutdown",
                              "the dispatcher is being stopped");
        return;
    }
    job_make_id(id);
    exchange->request.job_id = memory_string(id);
    queue_adopt(exchange->parts, &exchange->request);
    exchange_suspend(exchange);
    store_add_job(exchange->parts->store, id, &exchange->request,
                  (struct store_completion){ on_added, exchange });
}

/* ---- cancel ---- */

static void answer_cancelled(struct exchange *exchange, bool cancelled)
{
    reply_cancelled(&exchange->lines, cancelled);
    exchange_answer(exchange, &exchange->lines);
}

static void on_cancelled(void *owner, const struct store_answer *answer)
{
    struct exchange *exchange = owner;

    if (!exchange_resume(exchange))
        return;
    if (answer->error)
        answer_error(exchange, answer->error);
    else
        answer_cancelled(exchange, true);
}

static void cancel(struct exchange *exchange)
{
    struct job *job = job_find(exchange->parts, exchange->request.job_id);
    struct buffer outcome = { 0 };

    if (!job || job->state == ENDING) {
        answer_cancelled(exchange, false);
        return;
    }
    outcome_cancelled(&outcome);
    job_end(job, buffer_text(&outcome));
    buffer_free(&outcome);
    exchange_suspend(exchange);
    store_sync(exchange->parts->store,
               (struct store_completion){ on_cancelled, exchange });
}

/* ---- status ---- */

static void on_status(void *owner, const struct store_answer *answer)
{
    struct exchange *exchange = owner;

    if (!exchange_resume(exchange))
        return;
    if (answer->error) {
        answer_error(exchange, answer->error);
    } else if (!answer->job) {
        exchange_answer_error(exchange, "invalid_jobid",
                              "there is no job of that id");
    } else {
        reply_status(&exchange->lines, answer->job);
        exchange_answer(exchange, &exchange->lines);
    }
}

static void ask_for_status(struct exchange *exchange)
{
    store_read_status(exchange->parts->store, exchange->request.job_id,
                      (struct store_completion){ on_status, exchange });
}

static void status(struct exchange *exchange)
{
    if (!request_is_hello(&exchange->request)) {
        exchange_read(exchange, ask_for_status);
        return;
    }
    reply_hello(&exchange->lines);
    exchange_answer(exchange, &exchange->lines);
}

/* ---- forget ---- */

static void forget(struct exchange *exchange)
{
    exchange_forget(exchange, exchange->request.forget);
    exchange_end(exchange);
}

/* ---- all of them ---- */

static void (*const handlers[])(struct exchange *exchange) = {
    [REQUEST_CALL] = submit,
    [REQUEST_CANCEL] = cancel,
    [REQUEST_GET_STATUS] = status,
    [REQUEST_GET_RESULT] = follow_start,
    [REQUEST_FOLLOW_STREAM] = follow_start,
    [REQUEST_READ_STREAM] = follow_start,
    [REQUEST_LIST_JOBS] = lists_jobs,
    [REQUEST_LIST_QUEUES] = lists_queues,
    [REQUEST_LIST_HOSTS] = lists_hosts,
    [REQUEST_FORGET] = forget,
};

void requests_serve(struct exchange *exchange)
{
    handlers[exchange->request.kind](exchange);
}
