/* What the parts of the dispatcher share. */
#ifndef HARP_DISPATCHER_PARTS_H
#define HARP_DISPATCHER_PARTS_H

#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

struct hosts;
struct net;
struct session;
struct store;

struct parts {
    uv_loop_t loop;
    struct net *net;
    struct store *store;
    struct hosts *hosts;
    double timeout;             /* seconds; for calls without, and at most */
    double max_exec_time;
    void *jobs;                 /* live ones by id: a tree of tsearch(3) */
    void *queues;               /* by name: another one */
    LIST_HEAD(sessions, session) sessions;
    bool stopping;              /* nothing new is begun */
};

#endif
