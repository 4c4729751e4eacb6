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
#include "daemon/peer.h"
#include "daemon/procedures.h"
#include "daemon/slots.h"
#include "net/users.h"
#include "wire/call.h"

#define REQUEST_LIMIT (1 << 20) /* bytes */

/* ---- becoming a process of its own ---- */

static void ignore(int number)
{
    (void)number;
}

/* A handler for SIGPIPE, unlike SIG_IGN, is not inherited by commands. */
static void reset_signals(const sigset_t *mask)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
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

/* It must not outlive the daemon, and leads what it starts. */
static void become_leader(pid_t parent)
{
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
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

/* A call that runs, and what its line of the log says. */
struct running {
    struct peer *peer;
    const struct call *call;
    const char *address;
    struct timespec start;
};

/* One line of log a call: who, from where, what, and how it ended. */
static void log_call(const struct running *running, const char *outcome)
{
    char seconds[32];

    snprintf(seconds, sizeof seconds, "%.3f", seconds_since(&running->start));
    log_event("call", "from", running->address, "user", running->call->user,
              "procedure", running->call->procedure, "outcome", outcome,
              "seconds", seconds, NULL);
}

static void send_line(void *context, struct text line)
{
    const struct running *running = context;

    if (peer_send(running->peer, line) == 0)
        return;
    log_call(running, "hung_up");
    _exit(0);                   /* the caller is gone, and so is its call */
}

static void serve_call(const struct child_context *context,
                       struct peer *peer, const struct call *call,
                       const char *address)
{
    struct running running = { .peer = peer, .call = call,
                               .address = address };
    enum answer_kind last;

    clock_gettime(CLOCK_MONOTONIC, &running.start);
    log_debug("arguments", "from", address, "arguments", call->arguments,
              NULL);
    last = procedures_call(context->procedures, call, send_line, &running);
    log_call(&running, answer_name(last));
}

/* Whoever asks again at once learns it later each time. */
static int refuse(const struct call *call, const struct caller *caller,
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

static int authenticate(const struct child_context *context,
                        const struct call *call, const struct caller *caller,
                        struct harp_error *error)
{
    size_t most;

    if (!users_check(context->users, call->user, call->password))
        return refuse(call, caller, error);
    if (slot_admit(caller->slot, &most))
        return 0;
    return error_set(error, REMOTE_ERROR, "too_many_calls",
                     "more than %zu calls at once (max_children)", most);
}

static void serve(const struct child_context *context,
                  const struct caller *caller)
{
    struct call call = { 0 };
    struct harp_error error;
    struct peer *peer = peer_open(context->tls, caller->socket,
                                  context->request_timeout, &error);

    if (!peer) {
        log_warning("no_call", "from", caller->address, "reason",
                    error.message, NULL);
        return;
    }
    log_debug("connected", "from", caller->address, "session",
              peer_is_resumed(peer) ? "resumed" : "new", NULL);
    if (read_request(peer, &call, &error) != 0) {
        log_warning("no_call", "from", caller->address, "reason",
                    error.message, NULL);
        send_error(peer, &error);
    } else if (authenticate(context, &call, caller, &error) != 0) {
        send_error(peer, &error);
    } else {
        explicit_bzero(call.password, strlen(call.password));
        serve_call(context, peer, &call, caller->address);
    }
    call_free(&call);
    peer_close(peer);
}

pid_t child_fork(const struct child_context *context,
                 const struct caller *caller)
{
    pid_t parent = getpid(), pid;
    sigset_t all, before;

    /* A signal between fork and reset would reach the parent's handlers. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0) {
        become_leader(parent);
        keep_descriptors(caller->socket);
        procedures_after_fork(context->procedures);
        reset_signals(&before);
        serve(context, caller);
        fflush(stdout);
        _exit(0);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return pid;
}
