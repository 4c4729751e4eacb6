#include "dispatcher/follow.h"

#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "dispatcher/exchange.h"
#include "dispatcher/job.h"
#include "dispatcher/parts.h"
#include "dispatcher/readers.h"
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
static void caught_up(struct exchange *exchange)
{
    struct job *job = job_find(exchange->parts, exchange->request.job_id);
    struct buffer *lines = &exchange->lines;

    if (!is_patient(exchange)) {
        if (wants_packets(exchange))
            reply_continue(lines);
        else
            reply_no_result(lines);
        exchange_answer(exchange, lines);
    } else if (!job) {
        /* Its outcome could not be stored. */
        exchange_answer_error(exchange, "missing_result",
                              "the job's outcome was lost");
    } else {
        exchange_send(exchange, lines);
        wait_for(exchange, job);
    }
}

static void on_packet(void *owner, const struct store_packet *packet)
{
    struct exchange *exchange = owner;

    reply_packet(&exchange->lines, packet->number, packet->data,
                 exchange->request.timestamps ? packet->time : 0);
}

static void take_page(struct exchange *exchange,
                      const struct store_answer *page)
{
    exchange->follower.since = page->next;
    if (page->complete && page->outcome.length) {
        reply_line(&exchange->lines, page->outcome);
        exchange_answer(exchange, &exchange->lines);
    } else if (page->complete) {
        caught_up(exchange);
    } else {
        exchange_send(exchange, &exchange->lines);
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

static void ask_for_page(struct exchange *exchange)
{
    int64_t since = exchange->follower.since;
    bool unknown = since < 0 && wants_packets(exchange);

    store_read_page(exchange->parts->store, exchange->request.job_id, since,
                    unknown ? exchange->request.recent : -1, on_packet,
                    (struct store_completion){ on_page, exchange });
}

static void read_on(struct exchange *exchange)
{
    exchange_read(exchange, ask_for_page);
}

void follow_start(struct exchange *exchange)
{
    exchange->follower.exchange = exchange;
    exchange->follower.reader = readers_add(exchange->parts,
                                            exchange->request.job_id);
    exchange->follower.since = wants_packets(exchange)
                             ? exchange->request.since : -1;
    read_on(exchange);
}

void follow_abandon(struct exchange *exchange)
{
    stop_waiting(&exchange->follower);
    readers_remove(exchange->parts, exchange->follower.reader);
    exchange->follower.reader = NULL;
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
