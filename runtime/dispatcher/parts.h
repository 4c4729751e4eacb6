/* What the parts of the dispatcher share. */
#ifndef HARP_DISPATCHER_PARTS_H
#define HARP_DISPATCHER_PARTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "dispatcher/ready.h"
#include "dispatcher/settings.h"

struct door;
struct doors;
struct hosts;
struct net;
struct retention;
struct session;
struct store;

struct parts {
    uv_loop_t loop;
    uv_prepare_t turn;          /* before the loop waits… */
    uv_idle_t more;             /* …if it does: not when there is more */
    struct net *net;
    struct store *store;
    struct hosts *hosts;
    struct doors *doors;
    struct settings settings;
    size_t most_calls;          /* at once, that there are descriptors for */
    void *jobs;                 /* live ones by id: a tree of tsearch(3) */
    void *queues;               /* by name: another one */
    void *readers;              /* by id of the job: another one */
    struct retention *retention;
    struct ready ready;         /* jobs that could run but for the caps */
    size_t running;             /* calls, until their outcome is on disk */
    LIST_HEAD(sessions, session) sessions;
    TAILQ_HEAD(touched, session) touched;   /* to be flushed in this turn */
    size_t clients;             /* connections, closing ones included */
    size_t most_clients;        /* that there are descriptors for */
    TAILQ_HEAD(waiting_doors, door) waiting;    /* one too many is there */
    bool stopping;              /* nothing new is begun */
    bool ending;                /* nor is anything read any more */
};

#endif
