/*
 * What a server needs to be a good process: it says where it listens, and
 * stops at SIGTERM, SIGINT or, with a lifeline, when its standard input ends
 * (whoever embeds it holds the other end, and may die without a word).
 */
#ifndef HARP_NET_SERVICE_H
#define HARP_NET_SERVICE_H

#include <stdbool.h>
#include <uv.h>

struct service {
    uv_signal_t terminate;
    uv_signal_t interrupt;
    uv_pipe_t input;
    bool lifeline;
    void (*stop)(void *owner);  /* called once */
    void *owner;
};

void service_start(struct service *service, uv_loop_t *loop, bool lifeline,
                   void (*stop)(void *owner), void *owner);

/* Prints "listening on NAME", the one line of standard output. */
void service_announce(const char *name);

/* From now on the signal does nothing: an end that has begun is not cut short. */
void service_close_signal(uv_signal_t *handle, int number);

/* Closes the handles; before or after `stop` was called. */
void service_end(struct service *service);

#endif
