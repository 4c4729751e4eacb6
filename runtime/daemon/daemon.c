#include "daemon/daemon.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/child.h"
#include "daemon/procedures.h"
#include "daemon/rehearsal.h"
#include "host/config.h"
#include "host/config_users.h"
#include "host/log_settings.h"
#include "net/endpoint.h"
#include "net/listen.h"
#include "net/service.h"
#include "net/tls.h"
#include "net/users.h"

#define PORT 4306
#define HANG_UP_GRACE 50        /* ms for a child that has just answered */
#define ACCEPT_PAUSE 1000       /* ms, when there are no descriptors left */
#define KEEPALIVE 60            /* s of silence before a caller is probed */

/*
 * A call as the parent sees it: the process, and the connection, kept open
 * only to see the caller hang up.
 */
struct child {
    TAILQ_ENTRY(child) link;
    struct daemon *daemon;
    uv_poll_t watch;
    uv_timer_t grace;           /* from the hang-up to the kill */
    int handles;                /* of the two that are not closed yet */
    bool hung_up;               /* and was killed for it */
    int socket;
    pid_t pid;
    char address[NI_MAXHOST + NI_MAXSERV + 3];
};

struct daemon {
    struct child_context context;
    struct endpoint listen;
    char *certificate;
    char *key;
    bool lifeline;
    size_t most;                /* children at once */
    int socket;                 /* that listens; -1 once stopped */
    char *name;                 /* of what it listens on */
    uv_loop_t loop;
    uv_poll_t accept;
    uv_timer_t pause;           /* of accepting */
    uv_signal_t ended;          /* SIGCHLD */
    struct service service;
    TAILQ_HEAD(children, child) children;
    size_t count;
};

/* ---- children ---- */

static void on_connection(uv_poll_t *poll, int status, int events);

/* Beyond the most, callers wait in the listening socket's queue. */
static void accept_or_wait(struct daemon *daemon)
{
    if (daemon->socket < 0)
        return;
    if (daemon->count < daemon->most)
        uv_poll_start(&daemon->accept, UV_READABLE, on_connection);
    else
        uv_poll_stop(&daemon->accept);
}

static void free_child(uv_handle_t *handle)
{
    struct child *child = handle->data;

    if (--child->handles > 0)
        return;
    close(child->socket);
    free(child);
}

/* Everything that the procedure started is in its group. */
static void kill_group(const struct child *child)
{
    kill(-child->pid, SIGKILL);
    kill(child->pid, SIGKILL);
}

static void on_grace_over(uv_timer_t *grace)
{
    struct child *child = grace->data;

    child->hung_up = true;
    kill_group(child);
}

/* A caller hangs up to cancel, but also when it has its answer. */
static void on_hang_up(uv_poll_t *watch, int status, int events)
{
    struct child *child = watch->data;

    (void)status;
    (void)events;
    uv_poll_stop(watch);
    uv_timer_start(&child->grace, on_grace_over, HANG_UP_GRACE, 0);
}

static bool has_ended(const struct child *child)
{
    siginfo_t info = { 0 };

    return waitid(P_PID, (id_t)child->pid, &info,
                  WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

/* A child that came to its end has told the log itself. */
static void log_end(const struct child *child, int status)
{
    char code[16];

    snprintf(code, sizeof code, "%d", WEXITSTATUS(status));
    if (WIFSIGNALED(status))
        log_event("call_ended", "from", child->address, "reason",
                  child->hung_up ? "the caller hung up"
                                 : strsignal(WTERMSIG(status)), NULL);
    else if (WEXITSTATUS(status) != 0)
        log_event("call_ended", "from", child->address, "status", code, NULL);
}

static void end_child(struct child *child)
{
    struct daemon *daemon = child->daemon;
    int status = 0;

    /* What it left behind goes before its pid can be anyone else's. */
    kill(-child->pid, SIGKILL);
    waitpid(child->pid, &status, 0);
    log_end(child, status);
    TAILQ_REMOVE(&daemon->children, child, link);
    daemon->count--;
    uv_close((uv_handle_t *)&child->watch, free_child);
    uv_close((uv_handle_t *)&child->grace, free_child);
    accept_or_wait(daemon);
}

static void reap(struct daemon *daemon)
{
    struct child *child, *next;

    for (child = TAILQ_FIRST(&daemon->children); child; child = next) {
        next = TAILQ_NEXT(child, link);
        if (has_ended(child))
            end_child(child);
    }
}

static void end_if_done(struct daemon *daemon)
{
    if (daemon->socket < 0 && daemon->count == 0
        && !uv_is_closing((uv_handle_t *)&daemon->ended))
        uv_close((uv_handle_t *)&daemon->ended, NULL);
}

static void on_child_ended(uv_signal_t *handle, int number)
{
    (void)number;
    reap(handle->data);
    end_if_done(handle->data);
}

static void name_caller(struct child *child, const struct sockaddr *address,
                        socklen_t length)
{
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";

    getnameinfo(address, length, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(child->address, sizeof child->address,
             strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static void start_child(struct daemon *daemon, int socket,
                        const struct sockaddr *address, socklen_t length)
{
    struct child *child = memory_new(sizeof *child);

    name_caller(child, address, length);
    child->pid = child_fork(&daemon->context, socket, child->address);
    if (child->pid < 0) {
        log_warning("cannot_fork", "from", child->address, "reason",
                    strerror(errno), NULL);
        close(socket);
        free(child);
        return;
    }
    child->daemon = daemon;
    child->socket = socket;
    child->handles = 2;
    uv_timer_init(&daemon->loop, &child->grace);
    uv_poll_init(&daemon->loop, &child->watch, socket);
    child->watch.data = child->grace.data = child;
    uv_poll_start(&child->watch, UV_DISCONNECT, on_hang_up);
    TAILQ_INSERT_TAIL(&daemon->children, child, link);
    daemon->count++;
}

static void on_pause_over(uv_timer_t *pause)
{
    accept_or_wait(pause->data);
}

/* A caller that is not accepted stays there, and would wake us for ever. */
static void accept_failed(struct daemon *daemon)
{
    if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
        return;
    log_warn("cannot accept: %s", strerror(errno));
    uv_poll_stop(&daemon->accept);
    uv_timer_start(&daemon->pause, on_pause_over, ACCEPT_PAUSE, 0);
}

/* Answers go out at once; a caller whose machine died is noticed. */
static void set_options(int socket)
{
    int yes = 1, idle = KEEPALIVE;

    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int socket;

    (void)status;
    (void)events;
    socket = accept4(daemon->socket, (struct sockaddr *)&address, &length,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
        accept_failed(daemon);
        return;
    }
    set_options(socket);
    start_child(daemon, socket, (struct sockaddr *)&address, length);
    accept_or_wait(daemon);
}

/* ---- starting ---- */

struct loading {
    struct daemon *daemon;
    struct harp_error *error;
    size_t count;
    bool failed;
};

static void load_procedures(struct config *config, const char *key,
                            void *context)
{
    struct loading *loading = context;
    const char *path = config_value(config);

    if (key || !path)
        config_complain(config, "procedures", "must be a list of files");
    else if (!loading->failed)
        loading->failed = procedures_load(loading->daemon->context.procedures,
                                          path, loading->error) != 0;
    loading->count++;
}

static int read_settings(struct daemon *daemon, struct config *config,
                         struct harp_error *error)
{
    struct loading loading = { daemon, error, 0, false };
    const char *address = config_string(config, "listen", "127.0.0.1:4306");
    double most = config_number(config, "max_children", 100);

    daemon->certificate = memory_string(
        config_string(config, "certificate", "/etc/harp/daemon.crt"));
    daemon->key = memory_string(
        config_string(config, "key", "/etc/harp/daemon.key"));
    daemon->lifeline = config_boolean(config, "lifeline", false);
    if (!(most >= 1 && most <= 1e6))
        config_complain(config, "max_children", "must be at least 1");
    else
        daemon->most = (size_t)most;
    config_users(config, daemon->context.users);
    log_settings_read(config);
    config_each(config, "procedures", load_procedures, &loading);
    if (loading.failed || config_finish(config, error) != 0)
        return -1;
    if (users_count(daemon->context.users) == 0)
        return error_set(error, USAGE_ERROR, "configuration", "nobody could "
                         "call: set users or password_file");
    if (loading.count == 0)
        return error_set(error, USAGE_ERROR, "configuration", "there is "
                         "nothing to call: set procedures to a list of files");
    return endpoint_parse(&daemon->listen, address, PORT, error);
}

static int read_config(struct daemon *daemon, const char *path,
                       struct harp_error *error)
{
    struct config *config = config_load(path, error);
    int status = config ? read_settings(daemon, config, error) : -1;

    config_free(config);
    return status;
}

static int open_tls(struct daemon *daemon, struct harp_error *error)
{
    daemon->context.tls = tls_open(daemon->certificate, daemon->key, NULL,
                                   error);
    return daemon->context.tls ? 0 : -1;
}

static void stop(void *owner)
{
    struct daemon *daemon = owner;
    struct child *child;

    log_info("stopping");
    uv_close((uv_handle_t *)&daemon->accept, NULL);
    uv_close((uv_handle_t *)&daemon->pause, NULL);
    close(daemon->socket);
    daemon->socket = -1;
    service_end(&daemon->service);
    TAILQ_FOREACH(child, &daemon->children, link)
        kill_group(child);
    end_if_done(daemon);
}

static void start_loop(struct daemon *daemon)
{
    uv_loop_init(&daemon->loop);
    uv_poll_init(&daemon->loop, &daemon->accept, daemon->socket);
    uv_timer_init(&daemon->loop, &daemon->pause);
    daemon->accept.data = daemon->pause.data = daemon;
    uv_signal_init(&daemon->loop, &daemon->ended);
    daemon->ended.data = daemon;
    uv_signal_start(&daemon->ended, on_child_ended, SIGCHLD);
    service_start(&daemon->service, &daemon->loop, daemon->lifeline, stop,
                  daemon);
    accept_or_wait(daemon);
}

struct daemon *daemon_new(const char *config, struct harp_error *error)
{
    struct daemon *daemon = memory_new(sizeof *daemon);

    TAILQ_INIT(&daemon->children);
    daemon->socket = -1;
    daemon->context.users = users_new();
    daemon->context.procedures = procedures_new();
    if (read_config(daemon, config, error) == 0
        && users_prepare(error) == 0 && open_tls(daemon, error) == 0)
        daemon->socket = listen_open(&daemon->listen, LISTEN_MODE,
                                     &daemon->name, error);
    if (daemon->socket >= 0)
        return daemon;
    daemon_free(daemon);
    return NULL;
}

void daemon_run(struct daemon *daemon)
{
    rehearsal_hold(daemon->context.tls);
    start_loop(daemon);
    service_announce(daemon->name);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    uv_loop_close(&daemon->loop);
}

void daemon_free(struct daemon *daemon)
{
    if (daemon->socket >= 0)
        close(daemon->socket);
    tls_close(daemon->context.tls);
    users_free(daemon->context.users);
    procedures_free(daemon->context.procedures);
    endpoint_free(&daemon->listen);
    free(daemon->certificate);
    free(daemon->key);
    free(daemon->name);
    free(daemon);
}
