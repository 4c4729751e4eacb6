/*
 * Inside host/ only: what the scheduler, the task object and the coroutine
 * library know of each other. Everyone else includes host/task.h.
 */
#ifndef HARP_HOST_SCHEDULER_H
#define HARP_HOST_SCHEDULER_H

#include <signal.h>
#include <uv.h>

#include "host/task.h"

/*
 *   READY ──► RUNNING ──► ENDED
 *     ▲          │
 *     └─ WAITING ◄┘
 */
enum task_state { READY, RUNNING, WAITING, ENDED };

struct task {
    struct waiter waiter;
    TAILQ_ENTRY(task) link;     /* in the ready list */
    TAILQ_ENTRY(task) failure;  /* in the list of errors that nobody saw */
    struct scheduler *scheduler;
    lua_State *thread;
    enum task_state state;
    bool started;
    int arguments;              /* on the thread's stack, for the start */
    bool failed;                /* the error is on top of its stack */
    bool unseen;                /* …and in the list */
    bool cancelled;             /* to be raised when it next runs */
    bool quiet;                 /* was cancelled: its error is no news */
    lua_KFunction continuation; /* of what it waits for */
    struct waiter *place;       /* while it waits in place */
    struct event ended;
};

TAILQ_HEAD(tasks, task);

struct scheduler {
    uv_loop_t loop;
    bool loop_made;
    struct net *net;
    struct tasks ready;
    struct tasks unseen;
    size_t living;              /* tasks that have not ended */
    struct task *current;
    struct task *main;
    struct task *foreground;    /* is told of interrupts; NULL: the main one */
    lua_State *innermost;       /* the coroutine that may yield to us */
    uv_async_t wake;            /* for scheduler_interrupt */
    uv_prepare_t prepare;       /* before the loop waits */
    bool runs_tasks;            /* this turn of it */
    struct waiter *place;       /* of who waits in place now, if anyone */
    volatile sig_atomic_t interrupted;
    bool deadlocked;            /* the main task is to hear of it */
    bool vain;                  /* a wait in place ended without its event */
    bool reported;              /* an error that nobody saw was printed */
    bool was_interrupted;       /* once, whatever became of it */
    bool leaving;               /* os.exit was called, … */
    int exit_status;            /* …with this */
};

/*
 * What a wait yields, never seen by a script. It stays on top of the
 * coroutine's stack until the scheduler resumes it, and tells that nobody else
 * may. [-0, +1, -] and [-0, +0, -]
 */
void scheduler_push_mark(lua_State *L);
bool scheduler_has_mark(lua_State *thread);

/* The task that is told of interrupts. */
struct task *scheduler_front(const struct scheduler *scheduler);

void scheduler_make_ready(struct task *task);
void scheduler_forget(struct waiter *waiter);   /* it waits for nothing now */

/* [-0, +1, m] the error of a task that is cancelled. */
void scheduler_push_cancelled(lua_State *L);

/*
 * One turn of the loop, and of the tasks if they may run. False when there
 * is nothing left that could happen.
 */
bool scheduler_turn(lua_State *L, struct scheduler *scheduler,
                    bool run_tasks);

/* Resumes `thread` as the coroutine that may yield to the scheduler. */
int scheduler_resume(struct scheduler *scheduler, lua_State *thread,
                     lua_State *from, int arguments, int *results);
bool scheduler_can_yield(struct scheduler *scheduler, lua_State *L);

/*
 * [-0, +0, m] the current task's coroutine has yielded where the task cannot:
 * waits in place. What ended it is raised in the coroutine when it goes on.
 */
void scheduler_wait_here(lua_State *L, struct scheduler *scheduler);

/*
 * Between the two SIGINT is caught as by scheduler_catch_interrupts, where
 * another program has a handler for it: stock lua5.4's does not end a wait.
 */
void scheduler_enter_interrupts(struct scheduler *scheduler,
                                struct sigaction *before);
void scheduler_leave_interrupts(const struct sigaction *before);

/* Closes the state here and now, and ends the program (in exit.c). */
_Noreturn void scheduler_leave(lua_State *L, const struct scheduler *scheduler);

/* Runs a task until it waits or ends (in task.c). */
void task_resume(lua_State *L, struct task *task);

#endif
