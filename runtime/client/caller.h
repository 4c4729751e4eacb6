/*
 * The dialogue with a dispatcher (protocol §1): one request over one
 * connection, and its replies.
 */
#ifndef HARP_CLIENT_CALLER_H
#define HARP_CLIENT_CALLER_H

#include "wire/reply.h"

struct caller_request;
struct endpoint;
struct harp_error;
struct net;

/*
 * Sends a request's line (with its line end); `notify` is called from the
 * loop when there may be a reply to take. The line is copied.
 */
struct caller_request *caller_request_start(struct net *net,
                                            const struct endpoint *endpoint,
                                            struct text line,
                                            void (*notify)(void *owner),
                                            void *owner);

/*
 * 1: a reply, its value valid until the next call; 0: none yet; -1: no more
 * can come, and `error` says why. Anything but a packet is the last reply.
 */
int caller_request_take(struct caller_request *request, struct reply *reply,
                        struct harp_error *error);

/* The same for a request whose replies are not to be looked into. */
int caller_request_take_line(struct caller_request *request,
                             struct text *line, struct harp_error *error);

void caller_request_close(struct caller_request *request);

#endif
