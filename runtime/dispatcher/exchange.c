#include "dispatcher/exchange.h"

#include <search.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "dispatcher/parts.h"
#include "dispatcher/session.h"
#include "wire/reply.h"

#define MOST_READING 16         /* that have the store read for them at once */

static int by_tag(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;

    return (*a > *b) - (*a < *b);
}

static struct exchange *find(const struct exchanges *exchanges, int64_t tag)
{
    struct exchange **found = tfind(&tag, &exchanges->tags, by_tag);

    return found ? *found : NULL;
}

/* ---- coming and going ---- */

void exchanges_init(struct exchanges *exchanges)
{
    LIST_INIT(&exchanges->all);
    TAILQ_INIT(&exchanges->waiting);
}

int exchanges_check(const struct exchanges *exchanges,
                    const struct request *request, size_t most,
                    struct harp_error *error)
{
    if (!request->tagged)
        return 0;
    if (find(exchanges, request->tag))
        return error_set(error, REMOTE_ERROR, "invalid_request",
                         "tag %lld is in use", (long long)request->tag);
    if (exchanges->count >= most)
        return error_set(error, REMOTE_ERROR, "invalid_request",
                         "%zu requests are being answered on this connection: "
                         "it may not have more", most);
    return 0;
}

struct exchange *exchange_new(struct session *session,
                              struct request *request)
{
    struct exchange *exchange = memory_new(sizeof *exchange);
    struct exchanges *exchanges = session_exchanges(session);

    exchange->session = session;
    exchange->parts = session_parts(session);
    exchange->request = *request;
    *request = (struct request){ 0 };
    exchanges->count++;
    LIST_INSERT_HEAD(&exchanges->all, exchange, link);
    if (!exchange->request.tagged)
        return exchange;
    exchange->tag = exchange->request.tag;
    if (!tsearch(exchange, &exchanges->tags, by_tag))
        abort();
    return exchange;
}

static void free_exchange(struct exchange *exchange)
{
    request_free(&exchange->request);
    buffer_free(&exchange->lines);
    free(exchange);
}

static void stop_waiting(struct exchanges *exchanges,
                         struct exchange *exchange)
{
    if (!exchange->read)
        return;
    TAILQ_REMOVE(&exchanges->waiting, exchange, turn);
    exchanges->fresh -= !exchange->begun;
    exchange->read = NULL;
}

static void stop_reading(struct exchanges *exchanges,
                         struct exchange *exchange)
{
    exchanges->reading -= exchange->reading;
    exchange->reading = false;
}

/* Takes the exchange from its session; it goes when the store is done. */
static void release(struct exchanges *exchanges, struct exchange *exchange)
{
    follow_abandon(exchange);
    stop_waiting(exchanges, exchange);
    stop_reading(exchanges, exchange);
    if (exchange->request.tagged)
        tdelete(exchange, &exchanges->tags, by_tag);
    LIST_REMOVE(exchange, link);
    exchanges->count--;
    exchange->session = NULL;
    if (!exchange->pending)
        free_exchange(exchange);
}

void exchanges_abandon(struct exchanges *exchanges)
{
    while (!LIST_EMPTY(&exchanges->all))
        release(exchanges, LIST_FIRST(&exchanges->all));
}

void exchange_end(struct exchange *exchange)
{
    struct session *session = exchange->session;

    release(session_exchanges(session), exchange);
    session_touch(session);
}

void exchange_forget(struct exchange *exchange, int64_t tag)
{
    struct exchange *other = find(session_exchanges(exchange->session), tag);

    if (other)
        exchange_end(other);
}

/* ---- asking the store ---- */

/* Streams that go on do not count: they would shut out a cancel. */
bool exchanges_are_behind(const struct exchanges *exchanges)
{
    return exchanges->fresh >= MOST_READING;
}

bool exchanges_are_waiting(const struct exchanges *exchanges)
{
    const struct exchange *exchange;

    LIST_FOREACH(exchange, &exchanges->all, link)
        if (!exchange->follower.job)
            return false;
    return true;
}

void exchanges_go_on(struct session *session)
{
    struct exchanges *exchanges = session_exchanges(session);
    struct exchange *exchange;

    if (session_parts(session)->ending)
        return;
    while (exchanges->reading < MOST_READING && !session_is_congested(session)
           && (exchange = TAILQ_FIRST(&exchanges->waiting))) {
        void (*read)(struct exchange *) = exchange->read;

        stop_waiting(exchanges, exchange);
        exchange->pending = exchange->reading = exchange->begun = true;
        exchanges->reading++;
        read(exchange);
    }
}

void exchange_read(struct exchange *exchange,
                   void (*read)(struct exchange *exchange))
{
    struct exchanges *exchanges = session_exchanges(exchange->session);

    exchange->read = read;
    TAILQ_INSERT_TAIL(&exchanges->waiting, exchange, turn);
    exchanges->fresh += !exchange->begun;
    exchanges_go_on(exchange->session);
}

void exchange_suspend(struct exchange *exchange)
{
    exchange->pending = true;
}

bool exchange_resume(struct exchange *exchange)
{
    exchange->pending = false;
    if (!exchange->session) {
        free_exchange(exchange);
        return false;
    }
    stop_reading(session_exchanges(exchange->session), exchange);
    session_touch(exchange->session);
    return true;
}

/* ---- answering ---- */

void exchange_send(struct exchange *exchange, struct buffer *lines)
{
    struct buffer *output = session_output(exchange->session);

    if (exchange->request.tagged) {
        reply_add_tagged(output, buffer_text(lines), exchange->tag);
    } else if (output->length == 0) {
        struct buffer room = *output;

        *output = *lines;
        *lines = room;
    } else {
        buffer_add_text(output, buffer_text(lines));
    }
    buffer_free(lines);
}

void exchange_answer(struct exchange *exchange, struct buffer *lines)
{
    exchange_send(exchange, lines);
    exchange_end(exchange);
}

void exchange_answer_error(struct exchange *exchange, const char *type,
                           const char *message)
{
    struct buffer reply = { 0 };

    reply_error(&reply, type, message);
    exchange_answer(exchange, &reply);
}
