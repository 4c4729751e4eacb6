/*
 * The dialogue with a daemon (protocol §2): one call over one connection.
 * The bindings and the dispatcher's runs both speak it through this page.
 *
 *   sent ──► accepted ──► packets… ──► ended
 *     └────────────────────────────────► ended
 */
#ifndef HARP_CLIENT_SERVER_H
#define HARP_CLIENT_SERVER_H

#include "client/patience.h"
#include "wire/call.h"

struct endpoint;
struct harp_error;
struct net;
struct server_call;

/*
 * Begins a call; `notify` is called from the loop when there may be an answer
 * to take. The call is copied.
 */
struct server_call *server_call_start(struct net *net,
                                      const struct endpoint *endpoint,
                                      const struct call *call,
                                      void (*notify)(void *owner),
                                      void *owner);

/*
 * From now on: `reply` until the call is accepted, `idle` between two answers
 * after that. Then it fails with "timeout".
 */
void server_call_limit(struct server_call *call, struct patience patience);

/*
 * For an owner that measures itself: seconds since the connection was made (0
 * until then); what has come and the loop has not seen yet, to be taken then.
 */
double server_call_time_open(const struct server_call *call);
void server_call_look(struct server_call *call);

/* A longer answer than so many bytes is "bad_protocol"; 256 MiB at first. */
void server_call_limit_answer(struct server_call *call, size_t bytes);

/*
 * 1: an answer, its value valid until the next call; 0: none yet; -1: the
 * call failed. First comes ANSWER_ACCEPTED or ANSWER_ERROR; a result, an
 * exception or an error is the last one. What the daemon sends out of order
 * is "bad_protocol"; a connection that ends before the last answer "closed".
 */
int server_call_take(struct server_call *call, struct answer *answer,
                     struct harp_error *error);

/* Closes the connection, which cancels the call if it is still running. */
void server_call_close(struct server_call *call);

#endif
