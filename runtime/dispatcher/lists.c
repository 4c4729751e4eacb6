#include "dispatcher/lists.h"

#include <stdlib.h>

#include "base/error.h"
#include "dispatcher/exchange.h"
#include "dispatcher/hosts.h"
#include "dispatcher/parts.h"
#include "dispatcher/queue.h"
#include "wire/reply.h"

static void answer(struct exchange *exchange)
{
    reply_end(&exchange->lines);
    exchange_answer(exchange, &exchange->lines);
}

/* ---- jobs ---- */

static void ask_for_jobs(struct exchange *exchange);

static void add_job(void *owner, const struct reply_job *job)
{
    struct exchange *exchange = owner;

    reply_job(&exchange->lines, job);
}

static void go_on(struct exchange *exchange, const struct store_answer *page)
{
    struct lister *lister = &exchange->lister;

    lister->place = page->place;
    if (lister->left >= 0)
        lister->left -= page->count;
    if (page->complete || lister->left == 0) {
        answer(exchange);
    } else {
        exchange_send(exchange, &exchange->lines);
        exchange_read(exchange, ask_for_jobs);
    }
}

static void on_jobs(void *owner, const struct store_answer *page)
{
    struct exchange *exchange = owner;

    if (!exchange_resume(exchange))
        return;
    if (page->error)
        exchange_answer_error(exchange, page->error->type,
                              page->error->message);
    else
        go_on(exchange, page);
}

static void ask_for_jobs(struct exchange *exchange)
{
    store_list_jobs(exchange->parts->store, &exchange->request.filter,
                    exchange->lister.place, exchange->lister.left, add_job,
                    (struct store_completion){ on_jobs, exchange });
}

void lists_jobs(struct exchange *exchange)
{
    const struct request_filter *filter = &exchange->request.filter;

    exchange->lister.place = store_first_place(filter);
    exchange->lister.left = filter->limit;
    exchange_read(exchange, ask_for_jobs);
}

/* ---- queues ---- */

static void add_queue(void *owner, const char *name, int64_t concurrency,
                      int64_t running, int64_t waiting)
{
    struct exchange *exchange = owner;

    reply_queue(&exchange->lines, name, concurrency, running, waiting);
}

void lists_queues(struct exchange *exchange)
{
    queue_each(exchange->parts, add_queue, exchange);
    answer(exchange);
}

/* ---- hosts ---- */

/* Where it is, and nothing else that the registry knows of it. */
static void add_host(void *owner, const struct host *host)
{
    struct exchange *exchange = owner;
    char *address = endpoint_name(&host->endpoint);

    reply_host(&exchange->lines, host->name, address);
    free(address);
}

void lists_hosts(struct exchange *exchange)
{
    hosts_each(exchange->parts->hosts, add_host, exchange);
    answer(exchange);
}
