/*
 * The end of the dispatcher, in order.
 *
 *   (serving) ──► GRACE ──────────► ENDING ──────────────► the loop is stopped
 *                    no call runs,     everyone was told, or
 *                    its time is up,   does not read
 *                    or a hurry
 *
 * In GRACE no call is taken and none begins; those that run go on, and
 * clients are served. Then what still runs ends with `shutdown`, and that is
 * stored, and told, before connections close. What is queued stays so.
 */
#ifndef HARP_DISPATCHER_STOP_H
#define HARP_DISPATCHER_STOP_H

#include <stdint.h>
#include <uv.h>

struct parts;

enum stop_state { GRACE_LASTS, ENDING_ALL };

struct stop {
    struct parts *parts;
    enum stop_state state;
    uv_timer_t look;            /* how far it is, every few ms */
    uint64_t deadline;          /* of the state; ms of the loop */
    void (*ending)(void *owner);
    void *owner;
};

/* `ending` is called when the grace is over: nothing can hurry it then. */
void stop_begin(struct stop *stop, struct parts *parts, double grace,
                void (*ending)(void *owner), void *owner);

/* The grace is over at once. */
void stop_hurry(struct stop *stop);

#endif
