#include "daemon/child.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "daemon/guard.h"
#include "daemon/peer.h"
#include "daemon/privileges.h"
#include "daemon/procedures.h"
#include "daemon/slots.h"
#include "daemon/terms.h"
#include "net/users.h"
#include "wire/call.h"

#define REQUEST_LIMIT (1 << 20) /* bytes */

/* ---- becoming a process of its own ---- */

static void ignore(int number)
{
    (void)number;
}

/*
 * Those that a daemon catches, or was started with ignored. A handler for
 * SIGPIPE, unlike SIG_IGN, is not inherited by commands.
 */
static void reset_signals(const sigset_t *mask)
{
    static const int numbers[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM,
                                   SIGCHLD, SIGUSR1, SIGUSR2 };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        signal(numbers[i], SIG_DFL);
    signal(SIGPIPE, ignore);
    sigprocmask(SIG_SETMASK, mask, NULL);
}

/*
 * Nothing of the parent's stays open but the connection and the log. The
 * connection keeps its number, which no descriptor of the Lua state's loop
 * has: those are closed once more when the loop is made anew.
 */
static void keep_descriptors(int socket)
{
    int null = open("/dev/null", O_RDONLY);

    dup2(null, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    close_range(STDERR_FILENO + 1, (unsigned)socket - 1, 0);
    close_range((unsigned)socket + 1, ~0U, 0);
}

/* The signal that tells this process of the daemon's end. */
static void die_with(pid_t daemon, int number)
{
    prctl(PR_SET_PDEATHSIG, number);
    if (getppid() != daemon)
        raise(number);
}

/* ---- the dialogue ---- */

static void send_error(struct peer *peer, const struct harp_error *error)
{
    struct buffer line = { 0 };

    answer_error(&line, error->type, error->message);
    peer_send(peer, buffer_text(&line));
    buffer_free(&line);
}

static int read_request(struct peer *peer, struct call *call,
                        struct harp_error *error)
{
    struct text line;

    if (peer_read_line(peer, REQUEST_LIMIT, &line, error) != 0
        || call_read(call, line, error) != 0)
        return -1;
    explicit_bzero((char *)(uintptr_t)line.data, line.length);
    return 0;
}

static double seconds_since(const struct timespec *start)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)(time.tv_sec - start->tv_sec)
         + (double)(time.tv_nsec - start->tv_nsec) / 1e9;
}

/* A call, once it is admitted. */
struct running {
    const struct child_context *context;
    const struct caller *caller;
    struct call call;
    struct peer *peer;
    struct timespec start;
    pid_t daemon;
    struct guarded guarded;
    struct guard *guard;        /* NULL until the call begins */
};

/* One line of log a call: who, from where, what, and how it ended. */
static void log_call(void *context, const char *outcome)
{
    const struct running *running = context;
    char seconds[32];

    snprintf(seconds, sizeof seconds, "%.3f", seconds_since(&running->start));
    log_event("call", "from", running->caller->address,
              "user", running->call.user,
              "procedure", running->call.procedure, "outcome", outcome,
              "seconds", seconds, NULL);
}

static void send_answer(void *context, struct text line,
                        enum answer_kind kind)
{
    struct running *running = context;

    if (running->guard)
        guard_send(running->guard, line, kind);
    else
        peer_send(running->peer, line);
}

static _Noreturn void finish(struct running *running, enum answer_kind last)
{
    fflush(NULL);
    if (running->guard)
        guard_finish(running->guard);
    log_call(running, answer_name(last));
    peer_close(running->peer);
    _exit(0);
}

static int take_lock(const struct running *running,
                     const struct terms *terms, struct harp_error *error)
{
    if (!terms->lock || slot_lock(running->caller->slot, terms->lock,
                                  terms->lock_most, terms->lock_wait))
        return 0;
    return error_set(error, REMOTE_ERROR, "locked",
                     "%zu call%s of %s run%s already", terms->lock_most,
                     terms->lock_most == 1 ? "" : "s", terms->lock,
                     terms->lock_most == 1 ? "s" : "");
}

/* Until the user has changed nothing of the procedure's has run. */
static int take_terms(struct running *running, const struct terms *terms,
                      struct harp_error *error)
{
    if (privileges_environment(&terms->identity, terms->variables,
                               terms->variable_count, error) != 0)
        return -1;
    running->guard = guard_start(&running->guarded, error);
    if (!running->guard || take_lock(running, terms, error) != 0)
        return -1;
    slot_leave(running->caller->slot);
    guard_limit(running->guard, terms->timeout);
    if (limits_set(&terms->limits, error) != 0
        || privileges_take(&terms->identity, error) != 0)
        return -1;
    die_with(running->daemon, SIGTERM);     /* which the guard heeds */
    return 0;
}

/* Never returns to a procedure that would run on other terms. */
static void begin(void *context, const struct terms *terms)
{
    struct running *running = context;
    struct harp_error error;
    struct buffer line = { 0 };

    log_debug("arguments", "from", running->caller->address, "arguments",
              terms->log, NULL);
    if (take_terms(running, terms, &error) == 0)
        return;
    log_warning("not_run", "from", running->caller->address, "procedure",
                running->call.procedure, "reason", error.message, NULL);
    answer_error(&line, error.type, error.message);
    send_answer(running, buffer_text(&line), ANSWER_ERROR);
    finish(running, ANSWER_ERROR);
}

static _Noreturn void serve_call(struct running *running)
{
    const struct performance performance = {
        .call = &running->call,
        .address = running->caller->address,
        .send = send_answer,
        .begin = begin,
        .context = running,
    };

    running->guarded = (struct guarded){
        .peer = running->peer,
        .procedure = running->call.procedure,
        .grace = running->context->grace,
        .interrupt = procedures_interrupt,
        .log = log_call,
        .context = running,
    };
    clock_gettime(CLOCK_MONOTONIC, &running->start);
    finish(running, procedures_call(running->context->procedures,
                                    &performance));
}

/* Whoever asks again at once learns it later each time. */
static int refuse(const struct caller *caller, const struct call *call,
                  struct harp_error *error)
{
    struct timespec delay = {
        .tv_sec = (time_t)caller->auth_delay,
        .tv_nsec = (long)(fmod(caller->auth_delay, 1) * 1e9),
    };

    slot_fail(caller->slot);
    log_warning("authentication_failed", "from", caller->address, "user",
                call->user, NULL);
    nanosleep(&delay, NULL);
    return error_set(error, REMOTE_ERROR, "auth_error",
                     "wrong user or password");
}

static int admit(const struct caller *caller, const struct call *call,
                 struct harp_error *error)
{
    size_t most = 0;

    if (slot_admit(caller->slot, &most))
        return 0;
    log_warning("too_many_calls", "from", caller->address, "user",
                call->user, "procedure", call->procedure, NULL);
    return error_set(error, REMOTE_ERROR, "too_many_calls",
                     "more than %zu calls at once (max_children)", most);
}

/* Is it a call that may be looked into? */
static int let_in(struct running *running, struct harp_error *error)
{
    struct call *call = &running->call;

    if (!users_check(running->context->users, call->user, call->password))
        return refuse(running->caller, call, error);
    explicit_bzero(call->password, strlen(call->password));
    users_free(running->context->users);    /* in this process */
    slot_name(running->caller->slot, call->user, call->procedure);
    return admit(running->caller, call, error);
}

static void serve(struct running *running)
{
    const struct caller *caller = running->caller;
    struct harp_error error;
    struct peer *peer = peer_open(running->context->tls, caller->socket,
                                  running->context->request_timeout, &error);

    if (!peer) {
        log_warning("no_call", "from", caller->address, "reason",
                    error.message, NULL);
        return;
    }
    log_debug("connected", "from", caller->address, "session",
              peer_is_resumed(peer) ? "resumed" : "new", NULL);
    running->peer = peer;
    if (read_request(peer, &running->call, &error) != 0)
        log_warning("no_call", "from", caller->address, "reason",
                    error.message, NULL);
    else if (let_in(running, &error) == 0)
        serve_call(running);
    send_error(peer, &error);
    call_free(&running->call);
    peer_close(peer);
}

pid_t child_fork(const struct child_context *context,
                 const struct caller *caller)
{
    struct running running = { .context = context, .caller = caller,
                               .daemon = getpid() };
    sigset_t all, before;
    pid_t pid;

    /* A signal between fork and reset would reach the parent's handlers. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0) {
        setsid();               /* it leads what it starts */
        die_with(running.daemon, SIGKILL);
        keep_descriptors(caller->socket);
        procedures_after_fork(context->procedures);
        reset_signals(&before);
        serve(&running);
        _exit(0);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return pid;
}
