#include "daemon/children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/child.h"
#include "daemon/knocks.h"
#include "daemon/locks.h"
#include "daemon/settings.h"
#include "daemon/slots.h"
#include "daemon/trust.h"
#include "net/users.h"

#define PATIENCE 1000           /* ms to say who calls while others wait */
#define LAST_GRACE 1000         /* ms after that of the calls, to be killed */
#define LEAST_SECONDS 0.1       /* for a request, however late it began */

struct child {
    TAILQ_ENTRY(child) link;
    struct slot *slot;
    struct origin *origin;
    pid_t pid;
    uint64_t started;           /* ms, of the loop */
    bool unknown;               /* who calls; counted with its origin */
    bool given_up;              /* killed for a caller that came later */
    char address[CALLER_NAME];
};

TAILQ_HEAD(list, child);

struct children {
    uv_loop_t *loop;
    const struct daemon_settings *settings;
    const struct children_user *user;
    void *owner;
    struct slots *slots;
    struct locks *locks;
    struct list unknown;        /* in the order that they began */
    struct list others;
    size_t unknown_count;
    bool stopping;
    uv_signal_t ended;          /* SIGCHLD */
    uv_signal_t bell;           /* see slots.h */
    uv_timer_t last;            /* from the stop to the kill */
};

/* ---- who calls ---- */

/* From now on it is not counted with those who have not said it. */
static void uncount(struct children *children, struct child *child)
{
    child->unknown = false;
    origin_remove_process(child->origin);
    children->unknown_count--;
    TAILQ_REMOVE(&children->unknown, child, link);
    TAILQ_INSERT_TAIL(&children->others, child, link);
}

/* true when one has said it since this was asked last. */
static bool uncount_admitted(struct children *children)
{
    struct child *child, *next;
    bool any = false;

    for (child = TAILQ_FIRST(&children->unknown); child; child = next) {
        next = TAILQ_NEXT(child, link);
        if (slot_is_admitted(child->slot)) {
            uncount(children, child);
            any = true;
        }
    }
    return any;
}

static void note_failure(struct children *children, struct child *child)
{
    char count[16];

    if (!slot_has_failed(child->slot))
        return;
    snprintf(count, sizeof count, "%u",
             origin_fail(child->origin, uv_now(children->loop)));
    log_warning("wrong_passwords", "from", child->address, "count", count,
                NULL);
}

static void read_wishes(struct children *children)
{
    struct child *child;
    struct slot_wish wish;

    TAILQ_FOREACH(child, &children->others, link)
        if (slot_read_wish(child->slot, &wish))
            locks_ask(children->locks, child->slot, &wish);
    locks_answer(children->locks);
}

static void on_bell(uv_signal_t *bell, int number)
{
    struct children *children = bell->data;
    struct child *child;

    (void)number;
    TAILQ_FOREACH(child, &children->unknown, link)
        note_failure(children, child);
    if (uncount_admitted(children) && !children->stopping)
        children->user->room(children->owner);
    read_wishes(children);
}

/* ---- their ends ---- */

/* Everything that the procedure started is in its group. */
static void kill_group(const struct child *child)
{
    kill(-child->pid, SIGKILL);
    kill(child->pid, SIGKILL);
}

static void log_call(const struct children *children,
                     const struct child *child, const char *reason)
{
    struct slot_call call = slot_read_call(child->slot);
    char seconds[32];

    snprintf(seconds, sizeof seconds, "%.3f",
             (double)(uv_now(children->loop) - child->started) / 1e3);
    log_event("call_ended", "from", child->address,
              "user", *call.user ? call.user : NULL,
              "procedure", *call.procedure ? call.procedure : NULL,
              "reason", reason, "seconds", seconds, NULL);
}

/* A child that came to its end has told the log itself. */
static void log_end(const struct children *children,
                    const struct child *child, int status)
{
    char reason[32];

    snprintf(reason, sizeof reason, "exit status %d", WEXITSTATUS(status));
    if (child->given_up)
        log_warning("no_call", "from", child->address, "reason",
                    "no request in time, and others waited", NULL);
    else if (WIFSIGNALED(status))
        log_call(children, child, strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        log_call(children, child, reason);
}

/* Was a place free of those who have not said who calls? */
static bool end_child(struct children *children, struct child *child,
                      int status)
{
    bool was_unknown = child->unknown;

    if (was_unknown) {
        note_failure(children, child);
        uncount(children, child);
    }
    log_end(children, child, status);
    TAILQ_REMOVE(&children->others, child, link);
    locks_leave(children->locks, child->slot);
    slots_release(children->slots, child->slot);
    free(child);
    return was_unknown;
}

static struct child *find_in(const struct list *list, pid_t pid)
{
    struct child *child;

    TAILQ_FOREACH(child, list, link)
        if (child->pid == pid)
            return child;
    return NULL;
}

static struct child *find(const struct children *children, pid_t pid)
{
    struct child *child = find_in(&children->unknown, pid);

    return child ? child : find_in(&children->others, pid);
}

/* A process that is none of these was started by a file of procedures. */
static bool reap(struct children *children, pid_t pid)
{
    struct child *child = find(children, pid);
    int status = 0;

    /* What it left behind goes before its pid can be anyone else's. */
    if (child)
        kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
    return child && end_child(children, child, status);
}

static bool reap_all(struct children *children)
{
    siginfo_t info = { 0 };
    bool room = false;

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0
           && info.si_pid) {
        room = reap(children, info.si_pid) || room;
        info.si_pid = 0;
    }
    return room;
}

/*
 * A procedure's command can stop the process of its own call, which then
 * heeds no timeout and holds its lock and its place for ever.
 */
static void kill_stopped(struct children *children)
{
    siginfo_t info = { 0 };
    struct child *child;

    while (waitid(P_ALL, 0, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid) {
        child = find(children, info.si_pid);
        if (child) {
            log_warning("call_stopped", "from", child->address, "reason",
                        "by a signal; it is killed", NULL);
            kill_group(child);
        }
        info.si_pid = 0;
    }
}

static void end_if_done(struct children *children)
{
    if (!children->stopping || uv_is_closing((uv_handle_t *)&children->ended)
        || !TAILQ_EMPTY(&children->unknown) || !TAILQ_EMPTY(&children->others))
        return;
    uv_close((uv_handle_t *)&children->ended, NULL);
    uv_close((uv_handle_t *)&children->bell, NULL);
    uv_close((uv_handle_t *)&children->last, NULL);
    children->user->ended(children->owner);
}

static void on_child_ended(uv_signal_t *handle, int number)
{
    struct children *children = handle->data;

    (void)number;
    kill_stopped(children);
    if (reap_all(children) && !children->stopping)
        children->user->room(children->owner);
    end_if_done(children);
}

/* ---- room for more ---- */

/* Of this origin, and of all, when `most` may be of each. */
static bool are_below(const struct children *children,
                      const struct origin *origin, size_t most)
{
    return origin_processes(origin) < most
        && children->unknown_count < 4 * most;
}

/* The oldest of that origin, or of any when there are too many in all. */
static struct child *find_oldest(struct children *children,
                                 const struct origin *origin)
{
    bool any = origin_processes(origin)
             < children->settings->most_unauthenticated;
    struct child *child;

    TAILQ_FOREACH(child, &children->unknown, link)
        if (any || child->origin == origin)
            return child;
    return NULL;
}

static bool give_up_for(struct children *children, const struct knock *knock)
{
    struct child *child = find_oldest(children, knock->origin);

    if (!child || child->started > knock->arrived
        || uv_now(children->loop) - child->started < PATIENCE)
        return false;
    note_failure(children, child);
    child->given_up = true;
    kill_group(child);
    uncount(children, child);
    return true;
}

static bool find_room(struct children *children, const struct knock *knock)
{
    size_t most = children->settings->most_unauthenticated;

    if (knock->waits)
        most = (most + 1) / 2;
    if (are_below(children, knock->origin, most))
        return true;
    /* For those that wait it was done when the bell rang. */
    return (!knock->waits && uncount_admitted(children)
            && are_below(children, knock->origin, most))
        || give_up_for(children, knock);
}

/* ---- their begin ---- */

/* At most once for each change: when it cannot be read, the old ones stay. */
static void refresh_users(const struct daemon_settings *settings)
{
    struct users *users = settings->context.users;
    const char *file = users_changed(users);
    struct harp_error error;

    if (file && (trust_file(file, false, &error) != 0
                 || users_refresh(users, &error) != 0))
        log_warn("%s; the users stay as they were", error.message);
}

static pid_t fork_child(struct children *children, struct child *child,
                        const struct knock *knock)
{
    const struct daemon_settings *settings = children->settings;
    struct child_context context = settings->context;
    struct caller caller = {
        .socket = knock->socket, .address = child->address,
        .slot = child->slot,
        .auth_delay = origin_delay(child->origin, settings->auth_delay,
                                   child->started),
    };

    context.request_timeout -= (double)(child->started - knock->arrived)
                               / 1e3;
    if (context.request_timeout < LEAST_SECONDS)
        context.request_timeout = LEAST_SECONDS;
    return child_fork(&context, &caller);
}

static void start(struct children *children, struct slot *slot,
                  const struct knock *knock)
{
    struct child *child = memory_new(sizeof *child);

    child->slot = slot;
    child->origin = knock->origin;
    child->started = uv_now(children->loop);
    memcpy(child->address, knock->address, sizeof child->address);
    child->pid = fork_child(children, child, knock);
    if (child->pid < 0) {
        log_warning("cannot_fork", "from", child->address, "reason",
                    strerror(errno), NULL);
        slots_release(children->slots, slot);
        free(child);
        return;
    }
    child->unknown = true;
    origin_add_process(child->origin);
    children->unknown_count++;
    TAILQ_INSERT_TAIL(&children->unknown, child, link);
}

bool children_take(struct children *children, const struct knock *knock)
{
    struct slot *slot;

    if (!find_room(children, knock)
        || !(slot = slots_take(children->slots)))
        return false;
    refresh_users(children->settings);
    start(children, slot, knock);
    return true;
}

/* ---- all of them ---- */

static void on_signal(struct children *children, uv_signal_t *handle,
                      uv_signal_cb call, int number)
{
    uv_signal_init(children->loop, handle);
    handle->data = children;
    uv_signal_start(handle, call, number);
}

struct children *children_new(uv_loop_t *loop,
                              const struct daemon_settings *settings,
                              const struct children_user *user, void *owner)
{
    struct children *children = memory_new(sizeof *children);

    *children = (struct children){
        .loop = loop, .settings = settings, .user = user, .owner = owner,
        .slots = slots_new(), .locks = locks_new(),
    };
    TAILQ_INIT(&children->unknown);
    TAILQ_INIT(&children->others);
    on_signal(children, &children->ended, on_child_ended, SIGCHLD);
    on_signal(children, &children->bell, on_bell, SLOTS_BELL);
    uv_timer_init(loop, &children->last);
    children->last.data = children;
    children_renew(children);
    return children;
}

void children_renew(struct children *children)
{
    slots_set_most(children->slots, children->settings->most_children);
}

void children_await(struct children *children, bool wanted)
{
    slots_await(children->slots, wanted);
}

static void signal_all(struct children *children,
                       void (*signal_one)(const struct child *child))
{
    struct child *child;

    TAILQ_FOREACH(child, &children->unknown, link)
        signal_one(child);
    TAILQ_FOREACH(child, &children->others, link)
        signal_one(child);
}

static void terminate(const struct child *child)
{
    kill(child->pid, SIGTERM);
}

static void on_last(uv_timer_t *timer)
{
    children_kill(timer->data);
}

void children_stop(struct children *children)
{
    uint64_t grace = (uint64_t)(children->settings->context.grace * 1e3);

    children->stopping = true;
    signal_all(children, terminate);
    uv_timer_start(&children->last, on_last, grace + LAST_GRACE, 0);
    end_if_done(children);
}

void children_kill(struct children *children)
{
    signal_all(children, kill_group);
}

void children_free(struct children *children)
{
    if (!children)
        return;
    locks_free(children->locks);
    slots_free(children->slots);
    free(children);
}
