#include "dispatcher/job.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/follow.h"
#include "dispatcher/parts.h"
#include "dispatcher/queue.h"
#include "dispatcher/run.h"
#include "wire/reply.h"

void job_make_id(char id[JOB_ID_SIZE])
{
    unsigned char b[16];

    if (getrandom(b, sizeof b, 0) != sizeof b)
        abort();
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);       /* version 4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);       /* variant */
    snprintf(id, JOB_ID_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
             "%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5],
             b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

static int by_id(const void *left, const void *right)
{
    const struct job *a = left, *b = right;

    return strcmp(a->id, b->id);
}

struct job *job_find(struct parts *parts, const char *id)
{
    struct job key, **found;

    if (strlen(id) >= sizeof key.id)
        return NULL;
    strcpy(key.id, id);
    found = tfind(&key, &parts->jobs, by_id);
    return found ? *found : NULL;
}

void job_begin(struct parts *parts, int64_t number, const char *id,
               const struct request *call)
{
    struct job *job = memory_new(sizeof *job);

    job->parts = parts;
    job->number = number;
    strcpy(job->id, id);
    LIST_INIT(&job->followers);
    if (!tsearch(job, &parts->jobs, by_id))
        abort();
    queue_push(job, call);
}

/* ---- the end ---- */

static void forget(struct job *job)
{
    tdelete(job, &job->parts->jobs, by_id);
    follow_end(job);
    queue_leave(job);
    free(job);
}

static void on_ended(void *owner, const struct store_answer *answer)
{
    struct job *job = owner;

    if (answer->error)
        log_warning("outcome_not_stored", "job", job->id, "reason",
                    answer->error->message, NULL);
    forget(job);
}

/* The outcome's kind is its first member's name. */
static void log_end(const struct job *job, struct text outcome,
                    const char *type, const char *message)
{
    char kind[16];

    snprintf(kind, sizeof kind, "%.*s", (int)strcspn(outcome.data + 2, "\""),
             outcome.data + 2);
    log_event("ended", "job", job->id, "outcome", kind, "type", type,
              "message", message, NULL);
}

static void end(struct job *job, struct text outcome, const char *type,
                const char *message)
{
    if (job->state == ENDING)
        return;
    if (job->state == QUEUED)
        queue_remove(job);
    else
        run_close(job->run);
    job->run = NULL;
    job->state = ENDING;
    log_end(job, outcome, type, message);
    store_end_job(job->parts->store, job->number, outcome,
                  (struct store_completion){ on_ended, job });
}

void job_end(struct job *job, struct text outcome)
{
    end(job, outcome, NULL, NULL);
}

void job_end_error(struct job *job, const char *type, const char *message)
{
    struct buffer outcome = { 0 };

    outcome_error(&outcome, type, message);
    end(job, buffer_text(&outcome), type, message);
    buffer_free(&outcome);
}

bool job_takes(struct job *job, size_t bytes)
{
    int64_t most = job->parts->settings.job_bytes;
    char *message;

    job->bytes += (int64_t)bytes;
    if (job->bytes <= most)
        return true;
    message = memory_format("packets and outcome of a job may not be more "
                            "than %lld bytes", (long long)most);
    job_end_error(job, "too_much_data", message);
    free(message);
    return false;
}

/* ---- all of them ---- */

static void stop_running(const void *node, VISIT visit, int depth)
{
    struct job *job = *(struct job *const *)node;

    (void)depth;
    if ((visit == postorder || visit == leaf) && job->state == RUNNING)
        job_end_error(job, "shutdown", "the dispatcher was stopped");
}

void job_stop_all(struct parts *parts)
{
    twalk(parts->jobs, stop_running);
}

static void free_job(void *node)
{
    struct job *job = node;

    run_close(job->run);
    queue_discard(job);
    free(job);
}

void job_free_all(struct parts *parts)
{
    tdestroy(parts->jobs, free_job);
    parts->jobs = NULL;
}
