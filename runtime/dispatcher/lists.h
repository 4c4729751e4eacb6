/*
 * The lists of protocol §4. Queues and hosts are in memory, and few. Jobs are
 * read from the store, as the client reads them: each page goes on where the
 * last one ended.
 */
#ifndef HARP_DISPATCHER_LISTS_H
#define HARP_DISPATCHER_LISTS_H

#include <stdint.h>

#include "dispatcher/store.h"

struct exchange;

struct lister {
    struct store_place place;   /* where the last page ended */
    int64_t left;               /* jobs to be told of; -1: no limit */
};

/* They answer the exchange's request. */
void lists_jobs(struct exchange *exchange);
void lists_queues(struct exchange *exchange);
void lists_hosts(struct exchange *exchange);

#endif
