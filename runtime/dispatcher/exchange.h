/*
 * An exchange is one request being answered. Many of them share a connection
 * when they have tags (protocol §4), and then the tag is in every line that
 * is sent for them; those of one connection are kept here.
 */
#ifndef HARP_DISPATCHER_EXCHANGE_H
#define HARP_DISPATCHER_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buffer.h"
#include "dispatcher/follow.h"
#include "dispatcher/lists.h"
#include "wire/request.h"

struct harp_error;
struct parts;
struct session;

struct exchange {
    int64_t tag;                /* comes first: the key in the tree of tags */
    LIST_ENTRY(exchange) link;  /* in its session */
    struct session *session;    /* NULL once it is answered or abandoned */
    struct parts *parts;
    struct request request;
    bool pending;               /* the store has yet to complete something */
    bool reading;               /* namely what exchange_read began */
    bool begun;                 /* it has read before */
    void (*read)(struct exchange *exchange);    /* waits to begin, or NULL */
    TAILQ_ENTRY(exchange) turn; /* among those that wait */
    struct buffer lines;        /* to be sent when the page is whole */
    struct follower follower;   /* for the requests that follow a job */
    struct lister lister;       /* for a list of jobs */
};

/* Those of a connection. */
struct exchanges {
    LIST_HEAD(all_exchanges, exchange) all;
    size_t count;
    void *tags;                 /* of those that have one: tsearch(3) */
    TAILQ_HEAD(waiting_exchanges, exchange) waiting;    /* to begin a read */
    size_t fresh;               /* of these, that have never begun one */
    size_t reading;             /* that have begun one */
};

/* ---- for the session ---- */

void exchanges_init(struct exchanges *exchanges);

/*
 * -1 and an invalid_request when there cannot be one for this request: its
 * tag is in use, or there are as many as there may be.
 */
int exchanges_check(const struct exchanges *exchanges,
                    const struct request *request, size_t most,
                    struct harp_error *error);

/* Are there so many that are to begin that no more should come? */
bool exchanges_are_behind(const struct exchanges *exchanges);

/* Takes the request over. */
struct exchange *exchange_new(struct session *session,
                              struct request *request);

/* Begins reads that wait, if the client is to be sent more now. */
void exchanges_go_on(struct session *session);

/* Is there nothing to be sent to any of them before its job goes on? */
bool exchanges_are_waiting(const struct exchanges *exchanges);

/* Nothing more is sent for any of them. */
void exchanges_abandon(struct exchanges *exchanges);

/* ---- for those who answer ---- */

/*
 * Calls `read` when the client has room for what it will bring: at once or
 * later, in turn. It asks the store for something, with exchange_resume at
 * the head of the completion.
 */
void exchange_read(struct exchange *exchange,
                   void (*read)(struct exchange *exchange));

/* Before anything else is asked of the store; ends in the same way. */
void exchange_suspend(struct exchange *exchange);

/*
 * At the head of every completion of the store: false when the client is
 * gone, or wants no answer, and the exchange is gone with it.
 */
bool exchange_resume(struct exchange *exchange);

/* Sends whole lines, and empties the buffer. */
void exchange_send(struct exchange *exchange, struct buffer *lines);

/* Nothing more is sent, and the exchange is not to be touched any more. */
void exchange_end(struct exchange *exchange);

/* Sends and ends. */
void exchange_answer(struct exchange *exchange, struct buffer *lines);
void exchange_answer_error(struct exchange *exchange, const char *type,
                           const char *message);

/* Ends the exchange of that tag on the same connection, if there is one. */
void exchange_forget(struct exchange *exchange, int64_t tag);

#endif
