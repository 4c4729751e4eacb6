#include "daemon/guard.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "daemon/bell.h"
#include "daemon/peer.h"
#include "daemon/privileges.h"

#define MOST_UNSENT (1 << 20)   /* bytes, then the procedure waits */
#define RECORD 16384            /* bytes that TLS sends in one piece */
#define PAUSE 0.001             /* s from one smaller piece to the next */
#define LINGER 1.0              /* s for work left behind, once answered */
#define TICK 0.01               /* s between two looks at the children */
#define STACK (256 * 1024)      /* bytes */

enum end { NO_END, HUNG_UP, TIMED_OUT, STOPPED, CPU_USED, ABORTED };

/* How the caller (NULL: not at all) and the log are told of it. */
static const struct {
    const char *type;
    const char *message;        /* behind the procedure's name */
    const char *outcome;
} ends[] = {
    [HUNG_UP] = { NULL, NULL, "hung_up" },
    [TIMED_OUT] = { "timeout", "ran longer than its timeout", "timeout" },
    [STOPPED] = { "shutdown", "was ended: the daemon stops", "shutdown" },
    [CPU_USED] = { "system_error", "used more processor time than its limit",
                   "cpu_limit" },
    [ABORTED] = { "system_error", "crashed: most likely it ran out of memory",
                  "aborted" },
};

/*
 * The procedure's thread fills a buffer, the guard's empties it. What is
 * under the lock is for both; the second half is the guard's alone. When the
 * procedure has ended and the guard rests, the first becomes the guard.
 */
struct guard {
    const struct guarded *call;
    pid_t daemon;
    int bell;
    pthread_mutex_t lock;
    pthread_cond_t room;        /* there is some again, or no need for any */
    struct buffer filling;
    size_t ring_at;             /* bytes filled that are worth a wake-up */
    double deadline;            /* monotonic; infinite without a limit */
    double timeout;             /* s that led to it */
    bool begun;                 /* the procedure may run */
    bool answered;              /* the last answer was handed over */
    enum answer_kind last;      /* which is that */
    bool finished;              /* the procedure's thread is */
    bool ending;                /* before the procedure's own end */
    bool resting;               /* whoever is the guard touches nothing */
    pthread_t keeper;           /* the thread that is the guard */

    enum end end;
    struct buffer sending;
    size_t sent;                /* of it */
    short event;                /* of the socket, that sending waits for */
    bool gone;                  /* the caller is */
    double pause_over;
    bool patient;               /* waits for the procedure to end */
    double kill_at;             /* infinite until the call is ending */
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- the guard's thread: the end before the procedure's own ---- */

static void say_end(struct guard *guard)
{
    char message[256], seconds[32] = "";

    if (guard->end == TIMED_OUT)
        snprintf(seconds, sizeof seconds, " of %g s", guard->timeout);
    snprintf(message, sizeof message, "%.160s %s%s", guard->call->procedure,
             ends[guard->end].message, seconds);
    answer_error(&guard->filling, ends[guard->end].type, message);
}

/*
 * What was not sent is dropped, but for the line that is half sent. Once
 * answered, the end is that of work the procedure left behind.
 */
static void close_to_procedure(struct guard *guard)
{
    pthread_mutex_lock(&guard->lock);
    guard->ending = true;
    guard->patient = guard->begun && guard->end != ABORTED;
    if (!guard->answered) {
        guard->filling.length = 0;
        if (ends[guard->end].type)
            say_end(guard);
    }
    pthread_cond_broadcast(&guard->room);
    pthread_mutex_unlock(&guard->lock);
}

static void end_call(struct guard *guard, enum end end)
{
    if (guard->end)
        return;
    guard->end = end;
    limits_relax();
    close_to_procedure(guard);
    guard->call->log(guard->call->context, guard->answered
                     ? answer_name(guard->last) : ends[end].outcome);
    bell_redirect(guard->call->interrupt);
    kill(0, SIGTERM);
    guard->kill_at = now() + guard->call->grace;
}

/* Reaps, too; to be asked when the procedure's thread has ended. */
static bool has_children(void)
{
    siginfo_t child;

    for (;;) {
        child.si_pid = 0;
        if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG) != 0)
            return false;
        if (child.si_pid == 0)
            return true;
    }
}

/* ---- the guard's thread: sending ---- */

/* With the lock. Is there something to send, and is it time to? */
static bool is_due(const struct guard *guard)
{
    return guard->filling.length > 0
        && (guard->finished || guard->ending
            || guard->filling.length >= RECORD || now() >= guard->pause_over);
}

static void take(struct guard *guard)
{
    struct buffer empty = guard->sending;

    if (guard->sending.length)
        return;
    pthread_mutex_lock(&guard->lock);
    if (is_due(guard)) {
        guard->sending = guard->filling;
        guard->filling = empty;
        pthread_cond_broadcast(&guard->room);
    }
    pthread_mutex_unlock(&guard->lock);
}

/* A caller that has its answer hangs up, too: the rest is to end by itself. */
static void lose_caller(struct guard *guard)
{
    bool served;

    guard->gone = true;
    pthread_mutex_lock(&guard->lock);
    served = guard->answered && !guard->filling.length
          && !guard->sending.length;
    if (served)
        guard->deadline = fmin(guard->deadline, now() + LINGER);
    pthread_mutex_unlock(&guard->lock);
    if (!served)
        end_call(guard, HUNG_UP);
}

/* Until the socket takes no more; guard->event is then what it waits for. */
static void send_taken(struct guard *guard)
{
    while (guard->sent < guard->sending.length && !guard->gone) {
        size_t left = guard->sending.length - guard->sent;
        struct text piece = { guard->sending.data + guard->sent,
                              left < MOST_UNSENT ? left : MOST_UNSENT };
        ssize_t sent = peer_write(guard->call->peer, piece, &guard->event);

        if (sent == 0)
            return;
        if (sent < 0)
            lose_caller(guard);
        else
            guard->sent += (size_t)sent;
    }
    if (guard->sending.length)
        guard->pause_over = now() + PAUSE;
    guard->sending.length = guard->sent = 0;
    guard->event = 0;
}

/* ---- the guard's thread: watching ---- */

/* Until the call is ending they are there, for guard_send to see. */
static void heed_signals(struct guard *guard)
{
    int signals = bell_signals();

    if (signals & BELL_BIT(SIGABRT))
        end_call(guard, ABORTED);
    if (signals & BELL_BIT(SIGXCPU))
        end_call(guard, CPU_USED);
    if (signals & BELL_BIT(SIGTERM))
        end_call(guard, STOPPED);
    bell_heed(signals);
}

/*
 * Until when there is nothing to do, unless the bell rings; during a pause it
 * rings when a record is full.
 */
static double rest_until(struct guard *guard)
{
    bool paused = now() < guard->pause_over;
    double until;

    pthread_mutex_lock(&guard->lock);
    until = guard->end ? guard->kill_at : guard->deadline;
    if (guard->end && guard->finished)
        until = fmin(until, now() + TICK);
    guard->ring_at = guard->sending.length ? SIZE_MAX : paused ? RECORD : 1;
    if (!guard->sending.length && paused)
        until = fmin(until, guard->pause_over);
    if (!guard->sending.length && is_due(guard))
        until = 0;
    pthread_mutex_unlock(&guard->lock);
    return until;
}

/* From here on another thread can become the guard. */
static void lie_down(struct guard *guard)
{
    pthread_mutex_lock(&guard->lock);
    guard->resting = true;
    pthread_mutex_unlock(&guard->lock);
}

/* Stays here for ever when another thread has become the guard meanwhile. */
static void wake_up(struct guard *guard)
{
    bool is_guard;

    pthread_mutex_lock(&guard->lock);
    is_guard = pthread_equal(guard->keeper, pthread_self());
    if (is_guard)
        guard->resting = false;
    pthread_mutex_unlock(&guard->lock);
    while (!is_guard)
        pause();
}

static void rest(struct guard *guard, double until)
{
    struct pollfd watched[] = {
        { .fd = guard->bell, .events = POLLIN },
        { .fd = guard->gone ? -1 : peer_socket(guard->call->peer),
          .events = (short)(POLLRDHUP | guard->event) },
    };
    double left = fmax(until - now(), 0);
    struct timespec time = { (time_t)fmin(left, 1e6),
                             (long)(fmod(left, 1) * 1e9) };
    int count;

    lie_down(guard);
    count = ppoll(watched, 2, isinf(until) ? NULL : &time, NULL);
    wake_up(guard);
    if (count <= 0)
        return;
    if (watched[0].revents)
        bell_hush();
    if (watched[1].revents & (POLLRDHUP | POLLHUP | POLLERR))
        lose_caller(guard);
}

static bool is_late(struct guard *guard)
{
    bool late;

    pthread_mutex_lock(&guard->lock);
    late = now() >= guard->deadline;
    pthread_mutex_unlock(&guard->lock);
    return late;
}

static bool is_over(struct guard *guard)
{
    bool sent, finished;

    pthread_mutex_lock(&guard->lock);
    sent = !guard->filling.length && !guard->sending.length;
    finished = guard->finished;
    pthread_mutex_unlock(&guard->lock);
    if (!guard->end || !sent)
        return sent && finished && !bell_signals();
    return !guard->patient || (finished && !has_children());
}

/* When the daemon is gone nobody else kills what is left of the group. */
_Noreturn static void leave(struct guard *guard)
{
    if (!guard->end)
        guard->call->log(guard->call->context, answer_name(guard->last));
    peer_close(guard->call->peer);
    if (getppid() != guard->daemon)
        kill(0, SIGKILL);
    _exit(0);
}

static _Noreturn void watch(struct guard *guard)
{
    while (!is_over(guard)) {
        rest(guard, rest_until(guard));
        heed_signals(guard);
        if (is_late(guard))
            end_call(guard, TIMED_OUT);
        if (now() >= guard->kill_at)
            kill(0, SIGKILL);
        take(guard);
        send_taken(guard);
    }
    leave(guard);
}

static void *start(void *argument)
{
    struct guard *guard = argument;

    guard->keeper = pthread_self();
    watch(guard);
}

/* ---- the procedure's thread ---- */

static int start_thread(struct guard *guard)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    int status;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&thread, &attributes, start, guard);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return status;
}

struct guard *guard_start(const struct guarded *call,
                          struct harp_error *error)
{
    struct guard *guard = memory_new(sizeof *guard);
    int status;

    guard->call = call;
    guard->daemon = getppid();
    pthread_mutex_init(&guard->lock, NULL);
    pthread_cond_init(&guard->room, NULL);
    guard->ring_at = RECORD;
    guard->deadline = guard->kill_at = INFINITY;
    guard->pause_over = now() + PAUSE;
    guard->bell = bell_open();
    mallopt(M_ARENA_MAX, 1);    /* another one takes 64 MiB of addresses */
    status = guard->bell < 0 ? errno : start_thread(guard);
    if (status == 0)
        return guard;
    free(guard);
    error_set(error, REMOTE_ERROR, "system_error",
              "nothing can watch over the call: %s", strerror(status));
    return NULL;
}

/* A call that is ending already is not begun: it waits here for its end. */
void guard_limit(struct guard *guard, double seconds)
{
    pthread_mutex_lock(&guard->lock);
    while (guard->ending)
        pthread_cond_wait(&guard->room, &guard->lock);
    guard->begun = true;
    if (seconds > 0) {
        guard->timeout = seconds;
        guard->deadline = now() + seconds;
    }
    pthread_mutex_unlock(&guard->lock);
    if (seconds > 0)
        bell_ring();
}

/* A line that there is no memory for must not end us with the lock held. */
static void make_room(struct guard *guard, size_t size)
{
    struct buffer *filling = &guard->filling;
    void *trial;

    if (filling->capacity - filling->length > size)
        return;
    trial = malloc(2 * (filling->length + size));
    free(trial);
    if (trial)
        return;
    pthread_mutex_unlock(&guard->lock);
    abort();
}

/* What comes after a signal can be of a wait that the signal cut short. */
void guard_send(struct guard *guard, struct text line, enum answer_kind kind)
{
    bool rings;

    pthread_mutex_lock(&guard->lock);
    while (guard->filling.length > MOST_UNSENT && !guard->ending)
        pthread_cond_wait(&guard->room, &guard->lock);
    if (!guard->ending && !bell_signals()) {
        make_room(guard, line.length);
        buffer_add_text(&guard->filling, line);
        guard->last = kind;
        guard->answered = kind != ANSWER_ACCEPTED && kind != ANSWER_PACKET;
    }
    rings = guard->filling.length >= guard->ring_at;
    if (rings)
        guard->ring_at = SIZE_MAX;
    pthread_mutex_unlock(&guard->lock);
    if (rings)
        bell_ring();
}

/* A guard that rests goes on doing so: what is left, this thread can do. */
void guard_finish(struct guard *guard)
{
    bool is_guard;

    pthread_mutex_lock(&guard->lock);
    guard->finished = true;
    is_guard = guard->resting;
    if (is_guard)
        guard->keeper = pthread_self();
    pthread_mutex_unlock(&guard->lock);
    if (is_guard)
        watch(guard);
    bell_ring();
    for (;;)
        pause();
}
