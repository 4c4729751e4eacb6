#include "dispatcher/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "client/server.h"
#include "dispatcher/follow.h"
#include "dispatcher/hosts.h"
#include "dispatcher/job.h"
#include "dispatcher/parts.h"
#include "wire/reply.h"
#include "wire/request.h"

struct run {
    struct job *job;            /* NULL once it is closed */
    struct server_call *call;   /* from when the start is on disk */
    bool starting;              /* the store has not answered yet */
    int64_t packets;            /* so far */
    double silence;             /* seconds allowed between two messages */
    uv_timer_t quiet;           /* `timeout` */
    uv_timer_t limit;           /* `max_exec_time` */
    int handles;                /* of the two that are not closed yet */
};

/* ---- what comes back ---- */

/* The job may be gone when the store answers: it is known by its id. */
struct packet_owner {
    struct parts *parts;
    char id[JOB_ID_SIZE];
};

static void on_packet_stored(void *context, const struct store_answer *answer)
{
    struct packet_owner *owner = context;
    struct job *job = job_find(owner->parts, owner->id);

    if (job && answer->error)
        job_end_error(job, answer->error->type, answer->error->message);
    else if (job)
        follow_wake(job);
    free(owner);
}

static void add_packet(struct run *run, struct text data)
{
    struct packet_owner *owner = memory_new(sizeof *owner);

    owner->parts = run->job->parts;
    strcpy(owner->id, run->job->id);
    store_add_packet(run->job->parts->store, run->job->number, run->packets++,
                     data,
                     (struct store_completion){ on_packet_stored, owner });
}

static void end_with_value(struct run *run, enum reply_kind kind,
                           struct text value)
{
    struct buffer outcome = { 0 };

    outcome_value(&outcome, kind, value);
    job_end(run->job, buffer_text(&outcome));
    buffer_free(&outcome);
}

static void take_answer(struct run *run, const struct answer *answer)
{
    if (!job_takes(run->job, answer->value.length))
        return;
    switch (answer->kind) {
    case ANSWER_ACCEPTED:
        return;
    case ANSWER_PACKET:
        add_packet(run, answer->value);
        return;
    case ANSWER_RESULT:
        end_with_value(run, REPLY_RESULT, answer->value);
        return;
    case ANSWER_EXCEPTION:
        end_with_value(run, REPLY_EXCEPTION, answer->value);
        return;
    case ANSWER_ERROR:
        end_with_value(run, REPLY_ERROR, answer->value);
        return;
    }
}

static void on_silence(uv_timer_t *timer)
{
    struct run *run = timer->data;

    job_end_error(run->job, "timeout", "reading result timed out");
}

static void on_limit(uv_timer_t *timer)
{
    struct run *run = timer->data;

    job_end_error(run->job, "timeout", "maximum execution time exceeded");
}

static uint64_t milliseconds(double seconds)
{
    return (uint64_t)ceil(seconds * 1e3);
}

static void listen_on(struct run *run)
{
    uv_timer_start(&run->quiet, on_silence, milliseconds(run->silence), 0);
}

/* Takes what is there; the job may end, and this run with it. */
static void on_notify(void *owner)
{
    struct run *run = owner;
    struct answer answer;
    struct harp_error error;
    int taken = 1;

    while (run->job && taken == 1) {
        taken = server_call_take(run->call, &answer, &error);
        if (taken == 1)
            take_answer(run, &answer);
        else if (taken == -1)
            job_end_error(run->job, error.type, error.message);
    }
    if (run->job)
        listen_on(run);
}

/* ---- starting ---- */

static double limited(double asked, double most)
{
    return asked > 0 && asked < most ? asked : most;
}

static void call_daemon(struct run *run, const struct request *request,
                        const struct host *host)
{
    struct parts *parts = run->job->parts;
    struct call call = { request->procedure, request->arguments, host->user,
                         host->password };

    log_info("job=%s started host=%s procedure=%s", run->job->id,
             request->host, request->procedure);
    run->silence = limited(request->timeout, parts->timeout);
    listen_on(run);
    uv_timer_start(&run->limit, on_limit,
                   milliseconds(limited(request->max_exec_time,
                                        parts->max_exec_time)), 0);
    run->call = server_call_start(parts->net, &host->endpoint, &call,
                                  on_notify, run);
}

static void free_if_closed(struct run *run)
{
    if (!run->job && !run->starting && run->handles == 0)
        free(run);
}

static void end_unknown(struct run *run, const char *host)
{
    char *message = memory_format("no host \"%s\" is known here", host);

    job_end_error(run->job, "unknown_host", message);
    free(message);
}

static void on_started(void *owner, const struct store_answer *answer)
{
    struct run *run = owner;
    const struct host *host;

    run->starting = false;
    if (!run->job) {
        free_if_closed(run);
    } else if (answer->error) {
        job_end_error(run->job, answer->error->type, answer->error->message);
    } else {
        host = hosts_find(run->job->parts->hosts, answer->call->host);
        if (host)
            call_daemon(run, answer->call, host);
        else
            end_unknown(run, answer->call->host);
    }
}

struct run *run_start(struct job *job)
{
    struct run *run = memory_new(sizeof *run);

    run->job = job;
    run->starting = true;
    run->handles = 2;
    uv_timer_init(&job->parts->loop, &run->quiet);
    uv_timer_init(&job->parts->loop, &run->limit);
    run->quiet.data = run->limit.data = run;
    store_start_job(job->parts->store, job->number,
                    (struct store_completion){ on_started, run });
    return run;
}

static void on_closed(uv_handle_t *handle)
{
    struct run *run = handle->data;

    run->handles--;
    free_if_closed(run);
}

void run_close(struct run *run)
{
    if (!run)
        return;
    run->job = NULL;
    server_call_close(run->call);
    run->call = NULL;
    uv_close((uv_handle_t *)&run->quiet, on_closed);
    uv_close((uv_handle_t *)&run->limit, on_closed);
}
