#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "host/scheduler.h"

#define TASK "harp.task"
#define THREAD 1                /* user values of a task */
#define TRACEBACK 2
#define CONTEXT 3               /* the last one */

static const char living_key;   /* registry: tasks that have not ended */
static const char known_key;    /* registry: all of them, weakly */

/* ---- a task's life ---- */

/* [-0, +1, m] the table of the registry, made when there is none. */
static void push_table(lua_State *L, const char *key, const char *mode)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

/* [-0, +1, m] the userdata of a task; nil when it is being collected. */
static void push_task(lua_State *L, struct task *task)
{
    push_table(L, &known_key, "v");
    lua_rawgetp(L, -1, task);
    lua_remove(L, -2);
}

/* [-0, +0, m] keeps a task that lives; lets go of one that has ended. */
static void anchor(lua_State *L, struct task *task)
{
    push_table(L, &living_key, "");
    push_task(L, task);
    if (task->state == ENDED) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
    lua_rawsetp(L, -2, task);
    lua_pop(L, 1);
}

static void note_failure(lua_State *L, struct task *task)
{
    task->unseen = true;
    TAILQ_INSERT_TAIL(&task->scheduler->unseen, task, failure);
    push_task(L, task);
    luaL_traceback(L, task->thread, NULL, 0);
    lua_setiuservalue(L, -2, TRACEBACK);
    lua_pop(L, 1);
}

static void task_end(lua_State *L, struct task *task, bool failed)
{
    task->state = ENDED;
    task->failed = failed;
    if (failed && !task->quiet)
        note_failure(L, task);
    if (failed && task->started)
        lua_resetthread(task->thread);  /* closes what it left open */
    task->scheduler->living--;
    event_fire(&task->ended);
    anchor(L, task);
}

/* The status of lua_resume; a task cancelled before its start never runs. */
static int run_on(lua_State *L, struct task *task, int *results)
{
    struct scheduler *scheduler = task->scheduler;
    struct task *outer = scheduler->current;
    int arguments = task->started ? 0 : task->arguments;
    int status;

    if (!task->started && task->cancelled) {
        scheduler_push_cancelled(task->thread);
        return LUA_ERRRUN;
    }
    if (task->started)
        lua_pop(task->thread, 1);       /* the mark */
    task->started = true;
    scheduler->current = task;
    status = scheduler_resume(scheduler, task->thread, L, arguments, results);
    scheduler->current = outer;
    return status;
}

/* Its thread has the mark also after a bare yield: it is nobody else's. */
void task_resume(lua_State *L, struct task *task)
{
    int results = 0, status;

    task->state = RUNNING;
    status = run_on(L, task, &results);
    if (status != LUA_YIELD) {
        task_end(L, task, status != LUA_OK);
    } else if (!scheduler_has_mark(task->thread)) {
        lua_pop(task->thread, results);
        scheduler_push_mark(task->thread);
        scheduler_make_ready(task);     /* let the others run */
    }
}

/* ---- the object ---- */

struct task *task_check(lua_State *L, int index)
{
    return luaL_checkudata(L, index, TASK);
}

static void see_failure(struct task *task)
{
    if (task->unseen)
        TAILQ_REMOVE(&task->scheduler->unseen, task, failure);
    task->unseen = false;
}

/* [-0, +n, v] copies what the task's function returned. */
static int push_results(lua_State *L, struct task *task)
{
    int count = lua_gettop(task->thread);

    luaL_checkstack(L, count, "too many results");
    luaL_checkstack(task->thread, count, "too many results");
    for (int i = 1; i <= count; i++)
        lua_pushvalue(task->thread, i);
    lua_xmove(task->thread, L, count);
    return count;
}

/* [-0, +1, m] */
static void push_failure(lua_State *L, struct task *task)
{
    lua_pushvalue(task->thread, -1);
    lua_xmove(task->thread, L, 1);
}

/* task:join() → what the function returned; raises the error it raised. */
static int join(lua_State *L, int status, lua_KContext context)
{
    struct task *task = task_check(L, 1);

    (void)status;
    if (task->state != ENDED)
        return task_await(L, &task->ended, context, join);
    if (!task->failed)
        return push_results(L, task);
    see_failure(task);
    push_failure(L, task);
    return lua_error(L);
}

static int task_join(lua_State *L)
{
    struct task *task = task_check(L, 1);

    if (task == task->scheduler->current)
        return luaL_error(L, "a task cannot join itself");
    lua_settop(L, 1);
    return join(L, LUA_OK, 0);
}

void task_cancel(struct task *task)
{
    if (task->state == ENDED)
        return;
    task->cancelled = task->quiet = true;
    if (task->place) {
        scheduler_forget(task->place);
    } else if (task->state == WAITING && task->waiter.event) {
        scheduler_forget(&task->waiter);
        scheduler_make_ready(task);
    }
}

bool task_was_cancelled(lua_State *L)
{
    const struct task *task = scheduler_of(L)->current;

    return task && task->quiet;
}

/* task:cancel() */
static int cancel(lua_State *L)
{
    task_cancel(task_check(L, 1));
    return 0;
}

static int task_to_string(lua_State *L)
{
    static const char *const names[] = { "ready", "running", "waiting",
                                         "ended" };

    lua_pushfstring(L, "task (%s)", names[task_check(L, 1)->state]);
    return 1;
}

static int to_string(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    return 1;
}

/* [-1, +1, m] the text of an error. */
static void make_text(lua_State *L)
{
    lua_pushcfunction(L, to_string);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
        return;
    lua_pop(L, 1);
    lua_pushliteral(L, "an error whose __tostring fails");
}

/* [-0, +2, m] the error of a task that failed, and its traceback or nil. */
static void push_failure_and_place(lua_State *L, int index)
{
    push_failure(L, lua_touserdata(L, index));
    lua_getiuservalue(L, index, TRACEBACK);
}

void task_join_report(lua_State *L)
{
    lua_insert(L, -2);
    make_text(L);
    lua_insert(L, -2);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    lua_pushliteral(L, "\n");
    lua_insert(L, -2);
    lua_concat(L, 3);
}

/* The task at the index failed, and nobody joined it. */
static void report_unseen(lua_State *L, int index)
{
    struct task *task = lua_touserdata(L, index);

    see_failure(task);
    task->scheduler->reported = true;
    push_failure_and_place(L, index);
    task_join_report(L);
    fprintf(stderr, "harp: a task failed: %s\n", lua_tostring(L, -1));
    lua_pop(L, 1);
}

static int task_collect(lua_State *L)
{
    struct task *task = task_check(L, 1);

    if (task->unseen)
        report_unseen(L, 1);
    scheduler_forget(&task->waiter);
    return 0;
}

static void push_metatable(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "join", task_join },
        { "cancel", cancel },
        { NULL, NULL }
    };
    static const luaL_Reg metamethods[] = {
        { "__gc", task_collect },
        { "__tostring", task_to_string },
        { NULL, NULL }
    };

    if (!luaL_newmetatable(L, TASK))
        return;
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
}

/* [-0, +1, m] a task without a function, and so an ended one. */
static struct task *task_new(lua_State *L)
{
    struct scheduler *scheduler = scheduler_of(L);
    struct task *task = lua_newuserdatauv(L, sizeof *task, CONTEXT);

    memset(task, 0, sizeof *task);
    task->scheduler = scheduler;
    task->waiter.task = task;
    task->state = ENDED;
    event_init(&task->ended, true);
    push_metatable(L);
    lua_setmetatable(L, -2);
    task->thread = lua_newthread(L);
    lua_setiuservalue(L, -2, THREAD);
    push_table(L, &known_key, "v");
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, task);
    lua_pop(L, 1);
    return task;
}

void task_push_context(lua_State *L)
{
    struct task *task = scheduler_of(L)->current;

    if (!task) {
        lua_pushnil(L);
        return;
    }
    push_task(L, task);
    lua_getiuservalue(L, -1, CONTEXT);
    lua_remove(L, -2);
}

void task_set_context(lua_State *L)
{
    push_task(L, scheduler_of(L)->current);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, CONTEXT);
    lua_pop(L, 1);
}

/* [-0, +1, v] */
static void push_child_context(lua_State *L)
{
    task_push_context(L);
    if (luaL_callmeta(L, -1, "__child"))
        lua_remove(L, -2);
}

void task_spawn(lua_State *L, int arguments)
{
    struct task *task = task_new(L);

    push_child_context(L);
    lua_setiuservalue(L, -2, CONTEXT);
    lua_insert(L, -(arguments + 2));    /* below the function */
    luaL_checkstack(task->thread, arguments + 2, "too many arguments");
    lua_xmove(L, task->thread, arguments + 1);
    task->arguments = arguments;
    scheduler_make_ready(task);
    task->scheduler->living++;
    anchor(L, task);
}

/* ---- the main task ---- */

/* Is there still something to run for the main task's sake? */
static bool goes_on(const struct scheduler *scheduler)
{
    const struct task *task = scheduler->main;

    if (scheduler->leaving)
        return false;
    if (task->state != ENDED)
        return true;
    return scheduler->living && !task->failed
        && (!scheduler->interrupted || scheduler->foreground);
}

/* Ctrl-C while all wait, or a deadlock: it is the task in front that is told. */
static bool wake_front(struct scheduler *scheduler)
{
    struct task *task = scheduler_front(scheduler);

    if (task->state != WAITING || !task->waiter.event)
        return false;
    scheduler_forget(&task->waiter);
    scheduler_make_ready(task);
    return true;
}

/* [-0, +0, m] prints the errors that nobody saw. */
static void report_all(lua_State *L, struct scheduler *scheduler)
{
    struct task *task;

    if (!TAILQ_EMPTY(&scheduler->unseen))
        lua_gc(L, LUA_GCCOLLECT);
    while ((task = TAILQ_FIRST(&scheduler->unseen))) {
        push_task(L, task);
        report_unseen(L, lua_gettop(L));
        lua_pop(L, 1);
    }
}

/* [-0, +2, m] */
static int say(lua_State *L, const char *message)
{
    lua_pushstring(L, message);
    lua_pushnil(L);
    return -1;
}

bool task_has_failures(const struct scheduler *scheduler)
{
    return !TAILQ_EMPTY(&scheduler->unseen);
}

void task_report_failures(lua_State *L)
{
    report_all(L, scheduler_of(L));
}

/* [-0, +n, m] what came of the main task, whose userdata is at the index. */
static int conclude(lua_State *L, struct scheduler *scheduler, int index)
{
    struct task *task = lua_touserdata(L, index);

    if (scheduler->leaving)
        return 0;
    if (task->state == ENDED && task->failed) {
        see_failure(task);
        push_failure_and_place(L, index);
        return -1;
    }
    if (scheduler->interrupted)
        return say(L, "interrupted");
    if (scheduler->living)
        return say(L, "deadlock: every task waits for another one");
    if (scheduler->reported || !TAILQ_EMPTY(&scheduler->unseen))
        return say(L, "a task failed, and nobody joined it");
    push_results(L, task);
    return 0;
}

int task_run(lua_State *L, int arguments)
{
    struct scheduler *scheduler = scheduler_of(L);
    struct task *outer = scheduler->main;
    int index = lua_gettop(L) - arguments, status;
    struct sigaction before;

    task_spawn(L, arguments);
    scheduler->main = lua_touserdata(L, index);
    scheduler_enter_interrupts(scheduler, &before);
    while (goes_on(scheduler)) {
        scheduler->deadlocked = !scheduler_turn(L, scheduler, true);
        if (scheduler->interrupted)
            wake_front(scheduler);
        else if (scheduler->deadlocked && !wake_front(scheduler))
            break;
    }
    scheduler_leave_interrupts(&before);
    status = conclude(L, scheduler, index);
    scheduler->main = outer;
    lua_remove(L, index);
    report_all(L, scheduler);
    return status;
}

/* ---- the end of all ---- */

/* [-1, +1, m] the living tasks of the table at the top, as a list. */
static lua_Integer list_living(lua_State *L)
{
    lua_Integer count = 0;

    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, -3))
        lua_rawseti(L, -3, ++count);
    lua_remove(L, -2);
    return count;
}

static void abandon(lua_State *L, struct task *task)
{
    if (task->state == ENDED)
        return;
    scheduler_forget(&task->waiter);
    if (task->state == READY)
        TAILQ_REMOVE(&task->scheduler->ready, task, link);
    task->quiet = true;
    task_end(L, task, false);
    lua_resetthread(task->thread);
    task->failed = true;
    scheduler_push_cancelled(task->thread);
}

void task_end_all(lua_State *L)
{
    lua_Integer count;

    push_table(L, &living_key, "");
    count = list_living(L);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        abandon(L, task_check(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}
