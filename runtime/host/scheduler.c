#include "host/scheduler.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "host/failure.h"
#include "net/net.h"

static const char scheduler_key;
static const char mark;

void scheduler_push_mark(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)&mark);
}

bool scheduler_has_mark(lua_State *thread)
{
    return lua_status(thread) == LUA_YIELD && lua_gettop(thread) > 0
        && lua_touserdata(thread, -1) == &mark;
}

/* ---- events ---- */

void event_init(struct event *event, bool by_tasks)
{
    TAILQ_INIT(&event->waiters);
    event->by_tasks = by_tasks;
}

static void waiter_add(struct waiter *waiter, struct event *event)
{
    waiter->event = event;
    TAILQ_INSERT_TAIL(&event->waiters, waiter, link);
}

void scheduler_forget(struct waiter *waiter)
{
    if (waiter->event)
        TAILQ_REMOVE(&waiter->event->waiters, waiter, link);
    waiter->event = NULL;
}

void scheduler_make_ready(struct task *task)
{
    task->state = READY;
    TAILQ_INSERT_TAIL(&task->scheduler->ready, task, link);
}

void event_fire(struct event *event)
{
    struct waiter *waiter;

    while ((waiter = TAILQ_FIRST(&event->waiters))) {
        scheduler_forget(waiter);
        if (waiter->task)
            scheduler_make_ready(waiter->task);
    }
}

/* ---- the scheduler ---- */

static void nothing(uv_async_t *handle)
{
    (void)handle;
}

/*
 * Timers have their turn before the loop waits for the rest. What they have
 * brought about must not wait with it.
 */
static void on_prepare(uv_prepare_t *prepare)
{
    struct scheduler *scheduler = prepare->data;
    bool ready = scheduler->runs_tasks && !TAILQ_EMPTY(&scheduler->ready);
    bool fired = scheduler->place && !scheduler->place->event;

    if (ready || fired)
        uv_stop(&scheduler->loop);
}

uv_loop_t *scheduler_loop(struct scheduler *scheduler)
{
    if (!scheduler->loop_made) {
        uv_loop_init(&scheduler->loop);
        uv_async_init(&scheduler->loop, &scheduler->wake, nothing);
        uv_unref((uv_handle_t *)&scheduler->wake);
        uv_prepare_init(&scheduler->loop, &scheduler->prepare);
        uv_prepare_start(&scheduler->prepare, on_prepare);
        uv_unref((uv_handle_t *)&scheduler->prepare);
        scheduler->prepare.data = scheduler;
        scheduler->loop_made = true;
    }
    return &scheduler->loop;
}

static void stop_poll(uv_handle_t *handle, void *context)
{
    (void)context;
    if (handle->type == UV_POLL)
        uv_poll_stop((uv_poll_t *)handle);
}

void scheduler_after_fork(lua_State *L)
{
    struct scheduler *scheduler = scheduler_of(L);

    if (!scheduler->loop_made)
        return;
    uv_walk(&scheduler->loop, stop_poll, NULL);
    uv_loop_fork(&scheduler->loop);
}

struct net *scheduler_net(struct scheduler *scheduler)
{
    uv_loop_t *loop = scheduler_loop(scheduler);

    if (!scheduler->net)
        scheduler->net = net_new(loop);
    return scheduler->net;
}

static int scheduler_collect(lua_State *L)
{
    struct scheduler *scheduler = lua_touserdata(L, 1);

    if (!scheduler->loop_made)
        return 0;
    net_free(scheduler->net);
    uv_close((uv_handle_t *)&scheduler->wake, NULL);
    uv_close((uv_handle_t *)&scheduler->prepare, NULL);
    uv_run(&scheduler->loop, UV_RUN_DEFAULT);
    uv_loop_close(&scheduler->loop);
    scheduler->loop_made = false;
    return 0;
}

static struct scheduler *scheduler_new(lua_State *L)
{
    struct scheduler *scheduler = lua_newuserdatauv(L, sizeof *scheduler, 0);

    memset(scheduler, 0, sizeof *scheduler);
    TAILQ_INIT(&scheduler->ready);
    TAILQ_INIT(&scheduler->unseen);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, scheduler_collect);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &scheduler_key);
    return scheduler;
}

struct scheduler *scheduler_of(lua_State *L)
{
    struct scheduler *scheduler;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &scheduler_key);
    scheduler = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return scheduler ? scheduler : scheduler_new(L);
}

int scheduler_resume(struct scheduler *scheduler, lua_State *thread,
                     lua_State *from, int arguments, int *results)
{
    lua_State *outer = scheduler->innermost;
    int status;

    scheduler->innermost = thread;
    status = lua_resume(thread, from, arguments, results);
    scheduler->innermost = outer;
    return status;
}

bool scheduler_can_yield(struct scheduler *scheduler, lua_State *L)
{
    return scheduler->current && scheduler->innermost == L
        && lua_isyieldable(L);
}

/* Runs what was ready when it began; the rest waits for the next turn. */
static void run_ready(lua_State *L, struct scheduler *scheduler)
{
    struct tasks batch = TAILQ_HEAD_INITIALIZER(batch);
    struct task *task;

    TAILQ_CONCAT(&batch, &scheduler->ready, link);
    while ((task = TAILQ_FIRST(&batch))) {
        TAILQ_REMOVE(&batch, task, link);
        task_resume(L, task);
        if (scheduler->leaving)
            break;
    }
    TAILQ_CONCAT(&scheduler->ready, &batch, link);
}

/* The tasks last: when they have nothing more to wait for, nobody waits. */
bool scheduler_turn(lua_State *L, struct scheduler *scheduler,
                    bool run_tasks)
{
    uv_loop_t *loop = scheduler_loop(scheduler);
    bool busy = run_tasks && !TAILQ_EMPTY(&scheduler->ready);

    if (!busy && !uv_loop_alive(loop))
        return false;
    scheduler->runs_tasks = run_tasks;
    if (!scheduler->interrupted)
        uv_run(loop, UV_RUN_ONCE);
    if (run_tasks)
        run_ready(L, scheduler);
    return true;
}

/* ---- waiting ---- */

struct task *scheduler_front(const struct scheduler *scheduler)
{
    return scheduler->foreground ? scheduler->foreground : scheduler->main;
}

/* The task in front is told, whoever hears of it first. */
static int raise_interrupted(lua_State *L, struct scheduler *scheduler)
{
    if (scheduler->current == scheduler_front(scheduler))
        scheduler->interrupted = 0;
    return luaL_error(L, "interrupted");
}

static int raise_deadlock(lua_State *L, struct scheduler *scheduler)
{
    scheduler->deadlocked = false;
    return luaL_error(L, "deadlock: nothing can end this wait");
}

static int raise_cancelled(lua_State *L, struct task *task)
{
    task->cancelled = false;
    scheduler_push_cancelled(L);
    return lua_error(L);
}

/* Raises what has ended the current task's wait, if that was not its event. */
static void check_wait(lua_State *L, struct scheduler *scheduler)
{
    struct task *task = scheduler->current;
    bool is_front = task && task == scheduler_front(scheduler);
    bool vain = scheduler->vain;

    scheduler->vain = false;
    if (scheduler->interrupted && (vain || is_front))
        raise_interrupted(L, scheduler);
    if (vain || (scheduler->deadlocked && is_front))
        raise_deadlock(L, scheduler);
    if (task && task->cancelled)
        raise_cancelled(L, task);
}

static int resumed(lua_State *L, int status, lua_KContext context)
{
    struct scheduler *scheduler = scheduler_of(L);

    (void)status;
    if (scheduler->innermost != L)      /* by stock Lua's coroutine.resume */
        return luaL_error(L, "a task that waits cannot be resumed");
    check_wait(L, scheduler);
    return scheduler->current->continuation(L, LUA_YIELD, context);
}

/*
 * Turns the loop until the event is fired, or cannot be. Its waiter is no
 * task's: who waits here must not be resumed by the turns of others.
 */
static void wait_in_place(lua_State *L, struct scheduler *scheduler,
                          struct event *event)
{
    struct task *task = scheduler->current;
    struct waiter waiter = { 0 }, *outer = task ? task->place : NULL;
    struct waiter *around = scheduler->place;
    struct sigaction before;
    bool alive = true;

    waiter_add(&waiter, event);
    scheduler->place = &waiter;
    if (task)
        task->place = &waiter;
    scheduler_enter_interrupts(scheduler, &before);
    while (waiter.event && alive && !scheduler->interrupted
           && !scheduler->leaving)
        alive = scheduler_turn(L, scheduler, event->by_tasks || !task);
    if (scheduler->leaving)
        scheduler_leave(L, scheduler);
    scheduler_leave_interrupts(&before);
    if (task)
        task->place = outer;
    scheduler->place = around;
    scheduler->vain = waiter.event != NULL;
    scheduler_forget(&waiter);
}

bool scheduler_was_interrupted(lua_State *L)
{
    return scheduler_of(L)->was_interrupted;
}

bool task_is_inside(lua_State *L)
{
    return scheduler_of(L)->current != NULL;
}

struct task *task_come_to_front(lua_State *L)
{
    struct scheduler *scheduler = scheduler_of(L);
    struct task *before = scheduler->foreground;

    scheduler->foreground = scheduler->current;
    return before;
}

void task_go_back(lua_State *L, struct task *before)
{
    scheduler_of(L)->foreground = before;
}

bool task_wait_in_place(lua_State *L, struct event *event)
{
    struct scheduler *scheduler = scheduler_of(L);
    bool fired;

    wait_in_place(L, scheduler, event);
    fired = !scheduler->vain;
    scheduler->vain = false;
    return fired;
}

void scheduler_wait_here(lua_State *L, struct scheduler *scheduler)
{
    struct task *task = scheduler->current;
    struct event *event = task->waiter.event;

    if (scheduler->leaving)
        scheduler_leave(L, scheduler);
    scheduler_forget(&task->waiter);
    if (task->state == READY)
        TAILQ_REMOVE(&scheduler->ready, task, link);
    task->state = RUNNING;
    if (event)
        wait_in_place(L, scheduler, event);
}

int task_await(lua_State *L, struct event *event, lua_KContext context,
               lua_KFunction continuation)
{
    struct scheduler *scheduler = scheduler_of(L);
    struct task *task = scheduler->current;

    if (task && task->cancelled)
        return raise_cancelled(L, task);
    if (scheduler_can_yield(scheduler, L)) {
        task->continuation = continuation;
        task->state = WAITING;
        waiter_add(&task->waiter, event);
        scheduler_push_mark(L);
        return lua_yieldk(L, 1, context, resumed);
    }
    wait_in_place(L, scheduler, event);
    check_wait(L, scheduler);
    return continuation(L, LUA_OK, context);
}

void scheduler_push_cancelled(lua_State *L)
{
    struct harp_error error;

    error_set(&error, CANCELLED_EXCEPTION, "task", "the task was cancelled");
    failure_push(L, &error);
}

/* ---- Ctrl-C ---- */

/* Of the state that catches interrupts; a signal has no other way to it. */
static struct scheduler *interruptible;

static void interrupt_hook(lua_State *L, lua_Debug *where)
{
    struct scheduler *scheduler = interruptible;

    (void)where;
    lua_sethook(L, NULL, 0, 0);
    if (scheduler->interrupted)     /* else a wait in place has raised it */
        raise_interrupted(L, scheduler);
}

/* lua_sethook and uv_async_send may be called from a signal handler. */
void scheduler_interrupt(void)
{
    struct scheduler *scheduler = interruptible;

    scheduler->interrupted = 1;
    scheduler->was_interrupted = true;
    if (scheduler->innermost)
        lua_sethook(scheduler->innermost, interrupt_hook,
                    LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
    uv_async_send(&scheduler->wake);
}

void scheduler_accept_interrupts(lua_State *L)
{
    interruptible = scheduler_of(L);
    scheduler_loop(interruptible);
}

static void on_interrupt(int number)
{
    signal(number, SIG_DFL);
    scheduler_interrupt();
}

static void catch_interrupts(struct scheduler *scheduler)
{
    struct sigaction action = { .sa_handler = on_interrupt };

    scheduler_loop(scheduler);
    interruptible = scheduler;
    sigaction(SIGINT, &action, NULL);
}

/* Default and ignored are left as they are; ours is there already. */
void scheduler_enter_interrupts(struct scheduler *scheduler,
                                struct sigaction *before)
{
    sigaction(SIGINT, NULL, before);
    if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN
        && before->sa_handler != on_interrupt)
        catch_interrupts(scheduler);
}

/* After an interrupt the default stays: a second one ends the program. */
void scheduler_leave_interrupts(const struct sigaction *before)
{
    struct sigaction now;

    sigaction(SIGINT, NULL, &now);
    if (now.sa_handler == on_interrupt)
        sigaction(SIGINT, before, NULL);
}

void scheduler_catch_interrupts(lua_State *L)
{
    struct sigaction now;

    sigaction(SIGINT, NULL, &now);
    if (now.sa_handler != SIG_IGN)
        catch_interrupts(scheduler_of(L));
}
