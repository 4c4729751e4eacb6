/*
 * A dispatcher as a client sees it (protocol §1), and requests to it.
 *
 * The first request is preceded by a hello (protocol §4). With a dispatcher
 * that knows tags, everything but streams and lists then shares one
 * connection; with a stock one each request has a connection of its own.
 * Streams and lists always have, so that a slow reader holds up nobody.
 */
#ifndef HARP_CLIENT_CALLER_H
#define HARP_CLIENT_CALLER_H

#include <stdbool.h>

#include "client/patience.h"
#include "wire/reply.h"

struct caller;
struct caller_request;
struct endpoint;
struct harp_error;
struct net;
struct request;

struct caller *caller_new(struct net *net, const struct endpoint *endpoint,
                          struct patience patience);

/*
 * Whom it asks as, for dispatchers that want to know: it is said in the hello
 * and in requests with a connection of their own. Before the first request;
 * both are copied, and valid UTF-8. Stock ones hang up on it.
 */
void caller_login(struct caller *caller, const char *user,
                  const char *password);

/* Its requests must have been closed. */
void caller_free(struct caller *caller);

/* What is known of its dispatcher so far. */
enum caller_knowledge { CALLER_UNKNOWN, CALLER_STOCK, CALLER_EXTENDED };
enum caller_knowledge caller_knows(const struct caller *caller);

/*
 * Starts a request; it is copied, and its tag, if any, ignored. `notify` is
 * called from the loop when there may be a reply to take. A request that
 * needs an extension which the dispatcher lacks fails with a UsageError
 * ("unsupported").
 */
struct caller_request *caller_request_start(struct caller *caller,
                                            const struct request *request,
                                            void (*notify)(void *owner),
                                            void *owner);

/* Sends a line (with its line end) of the owner's own, over a connection of
   its own; for caller_request_take_line. */
struct caller_request *caller_request_start_line(struct caller *caller,
                                                 struct text line,
                                                 void (*notify)(void *owner),
                                                 void *owner);

/*
 * 1: a reply, its value valid until the next call; 0: none yet; -1: no more
 * can come, and `error` says why. What is not partial is the last reply.
 */
int caller_request_take(struct caller_request *request, struct reply *reply,
                        struct harp_error *error);

/* The same for replies that are not to be looked into. */
int caller_request_take_line(struct caller_request *request,
                             struct text *line, struct harp_error *error);

/* May it have reached the dispatcher? If not it can be sent again. */
bool caller_request_was_sent(const struct caller_request *request);

/* Gives up on it, if it is not over. NULL is fine. */
void caller_request_close(struct caller_request *request);

#endif
