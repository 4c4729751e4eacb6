/*
 * Followers: the one way that results and packets go to clients. A follower
 * reads pages from the store at its client's pace, a cursor of its own in
 * hand, and waits for the job when it has seen all there is. get_result follows
 * without looking at packets; read_stream does not wait.
 */
#ifndef HARP_DISPATCHER_FOLLOW_H
#define HARP_DISPATCHER_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct exchange;
struct job;
struct reader;

struct follower {
    LIST_ENTRY(follower) link;  /* in its job, while it waits */
    struct job *job;            /* NULL while it does not */
    struct exchange *exchange;
    struct reader *reader;
    int64_t since;              /* the next packet; -1: not known, or none */
};

/* Answers the exchange's request, one of get_result and the streams. */
void follow_start(struct exchange *exchange);

/* It is answered, or nobody wants it any more. */
void follow_abandon(struct exchange *exchange);

/* A job's packets are on disk; its outcome is. */
void follow_wake(struct job *job);
void follow_end(struct job *job);

#endif
