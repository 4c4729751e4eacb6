/*
 * The control socket: a unix socket for whoever runs the dispatcher. One JSON
 * object a line, answered by one line, in order:
 *
 *   {"status":true}          → {"status":{…}}, see control.c
 *   {"cancel_queue":{name}}  → {"cancelled":N}     jobs, queued and running
 *   {"refresh_hosts":true}   → {"refreshing":bool} is there a command?
 *   {"reload":true}          → {"reloaded":true,"restart_needed":bool}
 *                              for the listeners: those stay as they are
 *   {"prune":seconds}        → {"pruned":N}        jobs that ended before
 *   {"stop":true}            → {"stopping":true}
 *
 * or {"error":{"type","message"}}.
 */
#ifndef HARP_DISPATCHER_CONTROL_H
#define HARP_DISPATCHER_CONTROL_H

#include <stdint.h>

struct control;
struct endpoint;
struct harp_error;
struct parts;

/*
 * What the dispatcher itself does. A reload returns -1 and an error, or
 * whether the listeners would be others now.
 */
struct control_actions {
    int64_t (*reload)(void *owner, struct harp_error *error);
    void (*stop)(void *owner);
    int64_t (*database_size)(void *owner);      /* bytes */
};

/* Listens. NULL when it cannot. */
struct control *control_open(struct parts *parts,
                             const struct endpoint *endpoint,
                             const struct control_actions *actions,
                             void *owner, struct harp_error *error);

/* Hangs up; to be freed when the loop has closed it all. NULL is fine. */
void control_close(struct control *control);
void control_free(struct control *control);

#endif
