#include "dispatcher/follow.h"

#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "dispatcher/job.h"
#include "dispatcher/parts.h"
#include "dispatcher/session.h"
#include "dispatcher/store.h"
#include "wire/reply.h"
#include "wire/request.h"

static void read_on(struct exchange *exchange);

static bool wants_packets(const struct exchange *exchange)
{
    return exchange->request.kind != REQUEST_GET_RESULT;
}

/* Waits for news of the job rather than saying that there is none yet. */
static bool is_patient(const struct exchange *exchange)
{
    return exchange->request.kind == REQUEST_FOLLOW_STREAM
        || (exchange->request.kind == REQUEST_GET_RESULT
            && exchange->request.wait);
}

static void stop_waiting(struct follower *follower)
{
    if (follower->job)
        LIST_REMOVE(follower, link);
    follower->job = NULL;
}

static void wait_for(struct exchange *exchange, struct job *job)
{
    exchange->follower.job = job;
    LIST_INSERT_HEAD(&job->followers, &exchange->follower, link);
}

/* All that the store has was sent, and the job has not ended. */
static void caught_up(struct exchange *exchange, struct buffer *lines)
{
    struct job *job = job_find(exchange->parts, exchange->request.job_id);

    if (!is_patient(exchange)) {
        if (wants_packets(exchange))
            reply_continue(lines);
        else
            reply_no_result(lines);
        exchange_answer(exchange, lines);
    } else if (!job) {
        /* Its outcome could not be stored. */
        buffer_free(lines);
        exchange_answer_error(exchange, "missing_result",
                              "the job's outcome was lost");
    } else {
        exchange_send(exchange, lines);
        wait_for(exchange, job);
    }
}

static void add_packets(struct exchange *exchange,
                        const struct store_answer *page,
                        struct buffer *lines)
{
    for (size_t i = 0; i < page->count; i++) {
        reply_packet(lines, page->packets[i].number, page->packets[i].data,
                     0);
        exchange->follower.since = page->packets[i].number + 1;
    }
}

static void take_page(struct exchange *exchange,
                      const struct store_answer *page)
{
    struct buffer lines = { 0 };

    add_packets(exchange, page, &lines);
    if (page->complete && page->outcome.length) {
        reply_line(&lines, page->outcome);
        exchange_answer(exchange, &lines);
    } else if (page->complete) {
        caught_up(exchange, &lines);
    } else {
        exchange_send(exchange, &lines);
        read_on(exchange);
    }
}

static void on_page(void *owner, const struct store_answer *answer)
{
    struct exchange *exchange = owner;

    if (!exchange_resume(exchange))
        return;
    if (answer->error)
        exchange_answer_error(exchange, answer->error->type,
                              answer->error->message);
    else if (!answer->found)
        exchange_answer_error(exchange, "invalid_jobid",
                              "there is no job of that id");
    else
        take_page(exchange, answer);
}

/* Asks for the next page, or leaves it until the client has read. */
static void read_on(struct exchange *exchange)
{
    struct follower *follower = &exchange->follower;
    bool unknown = follower->since < 0 && wants_packets(exchange);

    follower->congested = exchange_is_congested(exchange);
    if (follower->congested)
        return;
    exchange->pending = true;
    store_read_page(exchange->parts->store, exchange->request.job_id,
                    follower->since, unknown ? exchange->request.recent : -1,
                    (struct store_completion){ on_page, exchange });
}

void follow_start(struct exchange *exchange)
{
    exchange->follower.exchange = exchange;
    exchange->follower.since = wants_packets(exchange)
                             ? exchange->request.since : -1;
    read_on(exchange);
}

void follow_abandon(struct exchange *exchange)
{
    stop_waiting(&exchange->follower);
}

void follow_drained(struct exchange *exchange)
{
    if (exchange->follower.congested)
        read_on(exchange);
}

void follow_wake(struct job *job)
{
    struct follower *follower, *next;

    for (follower = LIST_FIRST(&job->followers); follower; follower = next) {
        next = LIST_NEXT(follower, link);
        if (!wants_packets(follower->exchange))
            continue;
        stop_waiting(follower);
        read_on(follower->exchange);
    }
}

void follow_end(struct job *job)
{
    struct follower *follower;

    while ((follower = LIST_FIRST(&job->followers))) {
        stop_waiting(follower);
        read_on(follower->exchange);
    }
}
