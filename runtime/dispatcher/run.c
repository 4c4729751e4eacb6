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

/* What a run may have on its way to the store; then its daemon waits. */
#define PACKETS_AHEAD 512
#define BYTES_AHEAD 262144

/*
 *   starting ─► connecting ─► asked ─► accepted ─► outcome
 *
 * `max_exec_time` counts from connecting on, `timeout` from accepted on.
 * Before that there are the times that connecting and accepting may take.
 */
struct run {
    struct job *job;            /* NULL once it is closed */
    struct server_call *call;   /* from when the start is on disk */
    bool starting;              /* the store has not answered yet */
    bool accepted;              /* the daemon has acknowledged the call */
    bool held;                  /* the store is to catch up first */
    int64_t packets;            /* so far */
    size_t storing;             /* packets that are not on disk yet… */
    size_t storing_bytes;       /* …and what came since there were none */
    double acceptance;          /* seconds allowed until it is accepted */
    double silence;             /* seconds allowed between two messages */
    uv_timer_t quiet;           /* `timeout` */
    uv_timer_t limit;           /* `max_exec_time` */
    int handles;                /* of the two that are not closed yet */
};

static void free_if_closed(struct run *run)
{
    if (!run->job && !run->starting && run->storing == 0 && run->handles == 0)
        free(run);
}

/* ---- what comes back ---- */

static bool take_all(struct run *run);

static void on_packet_stored(void *owner, const struct store_answer *answer)
{
    struct run *run = owner;

    run->storing--;
    if (!run->job) {
        free_if_closed(run);
    } else if (answer->error) {
        job_end_error(run->job, answer->error->type, answer->error->message);
    } else {
        follow_wake(run->job);
        if (run->storing == 0 && run->held)
            take_all(run);
    }
}

static void add_packet(struct run *run, struct text data)
{
    if (run->storing == 0)
        run->storing_bytes = 0;
    run->storing++;
    run->storing_bytes += data.length;
    run->held = run->storing >= PACKETS_AHEAD
             || run->storing_bytes >= BYTES_AHEAD;
    store_add_packet(run->job->parts->store, run->job->number, run->packets++,
                     data, (struct store_completion){ on_packet_stored, run });
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
        run->accepted = true;
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

static uint64_t milliseconds(double seconds)
{
    return (uint64_t)ceil(seconds * 1e3);
}

/* From now, not from when this turn of the loop began. */
static void set_timer(uv_timer_t *timer, uv_timer_cb call, double seconds)
{
    uv_update_time(timer->loop);
    uv_timer_start(timer, call, milliseconds(seconds), 0);
}

static void on_quiet(uv_timer_t *timer);

/* While the daemon is made to wait its silence is ours. */
static void await(struct run *run)
{
    if (run->held)
        uv_timer_stop(&run->quiet);
    else
        set_timer(&run->quiet, on_quiet,
                  run->accepted ? run->silence : run->acceptance);
}

/*
 * Takes what is there, as far as the store keeps up: was there anything? The
 * job may end, and this run with it.
 */
static bool take_all(struct run *run)
{
    struct answer answer;
    struct harp_error error;
    bool held = run->held, any = false;
    int taken = 1;

    run->held = false;
    while (run->job && !run->held && taken == 1) {
        taken = server_call_take(run->call, &answer, &error);
        any = any || taken != 0;
        if (taken == 1)
            take_answer(run, &answer);
        else if (taken == -1)
            job_end_error(run->job, error.type, error.message);
    }
    if (run->job && (any || held))
        await(run);
    return any;
}

static void on_notify(void *owner)
{
    struct run *run = owner;

    if (!run->held)
        take_all(run);
}

/* ---- limits ---- */

/* What came while this process was busy with others came in time. */
static bool has_news(struct run *run)
{
    server_call_look(run->call);
    return take_all(run);
}

static void on_quiet(uv_timer_t *timer)
{
    struct run *run = timer->data;
    double left = run->acceptance - server_call_time_open(run->call);

    if (has_news(run))
        return;
    if (run->accepted)
        job_end_error(run->job, "timeout", "reading result timed out");
    else if (left > 0)          /* it took its time to connect */
        set_timer(timer, on_quiet, left);
    else
        job_end_error(run->job, "timeout", "request timed out");
}

static void on_limit(uv_timer_t *timer)
{
    struct run *run = timer->data;

    if (!run->held)
        has_news(run);
    if (run->job)
        job_end_error(run->job, "timeout", "maximum execution time exceeded");
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

    log_event("started", "job", run->job->id, "host", request->host,
              "procedure", request->procedure, NULL);
    log_debug("arguments", "job", run->job->id, "arguments",
              request->arguments, NULL);
    ready_set_most(&parts->ready, run->job, host->max_running);
    run->silence = limited(request->timeout, parts->settings.timeout);
    run->acceptance = host->accept_timeout;
    run->call = server_call_start(parts->net, &host->endpoint, &call,
                                  on_notify, run);
    server_call_limit_answer(run->call, parts->settings.longest_answer);
    await(run);
    set_timer(&run->limit, on_limit,
              limited(request->max_exec_time, parts->settings.max_exec_time));
}

static void on_started(void *owner, const struct store_answer *answer)
{
    struct run *run = owner;
    struct harp_error error = { 0 };
    const struct host *host;

    run->starting = false;
    if (!run->job) {
        free_if_closed(run);
    } else if (answer->error) {
        job_end_error(run->job, answer->error->type, answer->error->message);
    } else {
        host = hosts_find(run->job->parts->hosts, answer->call->host, &error);
        if (host)
            call_daemon(run, answer->call, host);
        else
            job_end_error(run->job, error.type, error.message);
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
