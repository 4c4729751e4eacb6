/*
 * A job's run: the call to the daemon, its limits, and what comes back on its
 * way to the store. The start is on disk before the daemon hears of the call,
 * so that no call is ever made twice.
 */
#ifndef HARP_DISPATCHER_RUN_H
#define HARP_DISPATCHER_RUN_H

struct job;
struct run;

/* The run ends its job, and is closed by that. */
struct run *run_start(struct job *job);

/* Hangs up on the daemon, which cancels the call. NULL is fine. */
void run_close(struct run *run);

#endif
