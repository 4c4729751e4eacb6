/*
 * What watches over a call while it runs: a thread of the call's process. It
 * sends what the procedure hands over, so that packets go out while the
 * procedure computes or waits, and ends the call when the caller hangs up,
 * the time is over or the process is told to stop, whatever the procedure is
 * about.
 *
 *     running ──► finished ─────────────────────────► left
 *        │                                              ▲
 *        └─ hang-up, timeout, SIGTERM… ──► ending ──────┤
 *                                              └─ grace over: killed
 *
 * An end before its own: the caller gets an error (unless it is gone), the
 * log its line, the process group SIGTERM; Lua is interrupted. When the
 * procedure has not ended within the grace, or what it started has not, the
 * group gets SIGKILL.
 */
#ifndef HARP_DAEMON_GUARD_H
#define HARP_DAEMON_GUARD_H

#include "base/buffer.h"
#include "wire/call.h"

struct guard;
struct harp_error;
struct peer;

/* What it watches over; not copied, and left alone from the start on. */
struct guarded {
    struct peer *peer;          /* the guard's alone from then on */
    const char *procedure;      /* its name */
    double grace;               /* s from SIGTERM to SIGKILL */
    void (*interrupt)(void);    /* of Lua; called by a signal handler */
    void (*log)(void *context, const char *outcome);    /* in its thread */
    void *context;
};

/*
 * Starts the one guard of this process. From here on SIGTERM and SIGXCPU end
 * the call, as abort does. Error: system_error.
 */
struct guard *guard_start(const struct guarded *call,
                          struct harp_error *error);

/* The procedure may take so many seconds from now; 0 has no limit. */
void guard_limit(struct guard *guard, double seconds);

/*
 * Hands over a line of that kind; it is copied. Waits while more than 1 MiB
 * is unsent. Once the call is ending what comes is dropped.
 */
void guard_send(struct guard *guard, struct text line,
                enum answer_kind kind);

/* The procedure has ended: the process leaves when all was sent. */
_Noreturn void guard_finish(struct guard *guard);

#endif
