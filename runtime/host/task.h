/*
 * Tasks: coroutines that wait for the loop without stopping each other.
 *
 * Callbacks of the loop never run Lua. They fire an event; the scheduler
 * resumes the tasks that waited for it between two turns of the loop. Where
 * Lua cannot yield (a sort comparator, stock lua5.4's main chunk) the wait
 * turns the loop itself until its event was fired.
 */
#ifndef HARP_HOST_TASK_H
#define HARP_HOST_TASK_H

#include <lua.h>
#include <stdbool.h>
#include <sys/queue.h>

struct net;
struct scheduler;
struct task;
struct uv_loop_s;

/* Someone who waits for an event; part of a task, or on the C stack. */
struct waiter {
    TAILQ_ENTRY(waiter) link;
    struct event *event;        /* NULL once woken */
    struct task *task;          /* NULL when it waits in place */
};

/* Something to wait for. Events have no memory: look first, then wait. */
struct event {
    TAILQ_HEAD(waiters, waiter) waiters;
    bool by_tasks;              /* only another task can fire it */
};

void event_init(struct event *event, bool by_tasks);
void event_fire(struct event *event);

/* [-0, +0, m] the scheduler of this Lua state, made when there is none. */
struct scheduler *scheduler_of(lua_State *L);

/* The scheduler's loop and network, made when first asked for. */
struct uv_loop_s *scheduler_loop(struct scheduler *scheduler);
struct net *scheduler_net(struct scheduler *scheduler);

/*
 * [-0, +0, m] to be called in a child process, once the descriptors that it
 * inherited are closed and before it opens others: makes the loop its own.
 * What was connected in the parent is not here.
 */
void scheduler_after_fork(lua_State *L);

/*
 * Waits for `event`, then calls `continuation`, which looks whether what it
 * waited for is there, and waits again if not. To be called as
 * `return task_await(...)`, like lua_yieldk. Raises when the task was
 * cancelled meanwhile.
 */
int task_await(lua_State *L, struct event *event, lua_KContext context,
               lua_KFunction continuation);

/*
 * [-(n+1), +1, v] a task that calls the function below the n arguments; a
 * userdata with the methods join and cancel. It begins with the context of
 * the task that spawns it, or with what the metamethod __child makes of that.
 */
void task_spawn(lua_State *L, int arguments);

/*
 * [-0, +1, m] and [-1, +0, m] the context of the running task: any value. The
 * first is nil outside tasks, the second may not be called there.
 */
void task_push_context(lua_State *L);
void task_set_context(lua_State *L);

/* [-0, +0, v] the task at the index, which must be one. */
struct task *task_check(lua_State *L, int index);

/*
 * Raises a CancelledException where the task waits, in place too. May be
 * called from a callback of the loop. A task that has ended is left alone.
 */
void task_cancel(struct task *task);

/* [-0, +0, m] was the running task cancelled, now or before? */
bool task_was_cancelled(lua_State *L);

/*
 * [-(n+1), +?, -] runs the function as the main task until it and every task
 * that it spawned have ended. 0 with the function's results on the stack; -1
 * with the error and its traceback, a string or nil, there. Errors of tasks
 * that nobody joined go to standard error, and make it -1 too.
 */
int task_run(lua_State *L, int arguments);

/* [-2, +1, m] of error and traceback "error\ntraceback". */
void task_join_report(lua_State *L);

/*
 * [-0, +0, m] cancels all tasks, which do not hear of it: only what they have
 * to close is closed. Not to be called by one of them.
 */
void task_end_all(lua_State *L);

/* [-0, +0, m] has SIGINT come since the state was made? */
bool scheduler_was_interrupted(lua_State *L);

/*
 * Waits where Lua can neither yield nor raise: in a callback of a library.
 * False when something else has ended the wait; the next task_await raises it.
 */
bool task_wait_in_place(lua_State *L, struct event *event);

/*
 * Errors of tasks that nobody joined: are there any, and [-0, +0, m] prints
 * them to standard error.
 */
bool task_has_failures(const struct scheduler *scheduler);
void task_report_failures(lua_State *L);

/*
 * [-0, +0, m] from now on interrupts are raised in the current task instead of
 * the main one; `before` is for going back. For who talks to a person.
 */
struct task *task_come_to_front(lua_State *L);
void task_go_back(lua_State *L, struct task *before);

/* [-0, +0, m] is a task running, so that a wait can yield? */
bool task_is_inside(lua_State *L);

/*
 * From now on SIGINT raises "interrupted" in the running task, or in the main
 * one when all are waiting. A second one ends the program.
 */
void scheduler_catch_interrupts(lua_State *L);

/*
 * The same without SIGINT, for who has a signal of its own: the state that
 * scheduler_interrupt interrupts from now on. That is to be called from a
 * signal handler, in the thread that runs the state; as often as one likes.
 */
void scheduler_accept_interrupts(lua_State *L);
void scheduler_interrupt(void);

/*
 * [-0, +0, m] replaces functions of the coroutine library by versions that
 * hand a wait inside a user's coroutine on to its task.
 */
void coroutine_open(lua_State *L);

#endif
