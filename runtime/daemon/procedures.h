/*
 * The procedures that a daemon offers: files of Lua, loaded into one state
 * before the first call. What a registration means and how arguments are
 * matched is in scripts/harp/procedures.lua.
 */
#ifndef HARP_DAEMON_PROCEDURES_H
#define HARP_DAEMON_PROCEDURES_H

#include "wire/call.h"

struct harp_error;
struct procedures;
struct terms;

struct procedures *procedures_new(void);

/* Runs a file that registers procedures. */
int procedures_load(struct procedures *procedures, const char *path,
                    struct harp_error *error);

/* In the child, once it has closed what it inherited. */
void procedures_after_fork(struct procedures *procedures);

/* A call, as Lua needs to know of it, and what it can do. */
struct performance {
    const struct call *call;
    const char *address;        /* of the caller */
    /* A line of the answer; the text is valid during the call. */
    void (*send)(void *context, struct text line, enum answer_kind kind);
    /* Before the procedure runs, once; returns only if it may. */
    void (*begin)(void *context, const struct terms *terms);
    void *context;
};

/*
 * Runs a call to its end, in a process made for it. Every answer goes to
 * `send`, the last one too. Returns the kind of the last answer.
 */
enum answer_kind procedures_call(struct procedures *procedures,
                                 const struct performance *performance);

/*
 * From a signal handler, in the thread of the call: raises "interrupted" in
 * the procedure, wherever it computes or waits in Lua. In force once the
 * call has begun.
 */
void procedures_interrupt(void);

void procedures_free(struct procedures *procedures);

#endif
