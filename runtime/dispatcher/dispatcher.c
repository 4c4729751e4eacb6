#include "dispatcher/dispatcher.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/control.h"
#include "dispatcher/doors.h"
#include "dispatcher/hosts.h"
#include "dispatcher/job.h"
#include "dispatcher/parts.h"
#include "dispatcher/session.h"
#include "dispatcher/store.h"
#include "dispatcher/turn.h"
#include "host/config.h"
#include "net/endpoint.h"
#include "net/net.h"
#include "net/service.h"
#include "net/systemd.h"
#include "wire/reply.h"

#define DATABASE "/var/lib/harp/dispatcher.db"
#define LIMIT 600.0             /* seconds, as stock has it (protocol §1) */
#define MOST_RUNNING 1000
#define OWN_DESCRIPTORS 24      /* of the loop, the store, the listener */
#define RUN_DESCRIPTORS 3       /* of a run, while it connects */

struct dispatcher {
    struct parts parts;
    char *config;               /* its file, to be read again */
    char *database;
    struct endpoint control_at; /* its path is NULL when there is none */
    struct control *control;
    uv_signal_t hang_up;        /* SIGHUP: read the configuration again */
    bool lifeline;
    struct service service;
};

/* ---- configuration ---- */

static double read_limit(struct config *config, const char *name)
{
    double seconds = config_number(config, name, LIMIT);

    if (!(seconds > 0 && seconds < 1e9))
        config_complain(config, name, "must be seconds above 0");
    return seconds;
}

/* Also no more than there are descriptors for. */
static void read_most_running(struct parts *parts, struct config *config)
{
    double most = config_number(config, "max_running", MOST_RUNNING);

    if (!(most >= 1 && most < 1e9)) {
        config_complain(config, "max_running", "must be at least 1");
    } else if (most <= (double)parts->most_running) {
        parts->most_running = (size_t)most;
    } else {
        log_warn("descriptors are short: no more than %zu calls at once",
                 parts->most_running);
    }
}

static void read_control(struct dispatcher *dispatcher, struct config *config)
{
    const char *address = config_string(config, "control", NULL);
    struct endpoint *at = &dispatcher->control_at;
    struct harp_error error;

    if (!address)
        return;
    if (endpoint_parse(at, address, 1, &error) != 0)
        config_complain(config, "control", error.message);
    else if (!at->path)
        config_complain(config, "control", "must be a unix socket: "
                        "\"unix:/path\"");
}

static int read_settings(struct dispatcher *dispatcher,
                         struct config *config, struct harp_error *error)
{
    dispatcher->parts.doors = doors_read(config);
    read_control(dispatcher, config);
    dispatcher->database = memory_string(config_string(config, "database",
                                                       DATABASE));
    dispatcher->lifeline = config_boolean(config, "lifeline", false);
    dispatcher->parts.timeout = read_limit(config, "timeout");
    dispatcher->parts.max_exec_time = read_limit(config, "max_exec_time");
    read_most_running(&dispatcher->parts, config);
    dispatcher->parts.hosts = hosts_read(config);
    limits_read(&dispatcher->parts.limits, config);
    if (config_finish(config, error) != 0)
        return -1;
    return doors_prepare(dispatcher->parts.doors, error);
}

static int read_config(struct dispatcher *dispatcher, const char *path,
                       struct harp_error *error)
{
    struct config *config = config_load(path, error);
    int status = config ? read_settings(dispatcher, config, error) : -1;

    config_free(config);
    return status;
}

/* What is read from the configuration, and may be read again. */
static void free_settings(struct dispatcher *dispatcher)
{
    hosts_free(dispatcher->parts.hosts);
    doors_free(dispatcher->parts.doors);
    endpoint_free(&dispatcher->control_at);
    free(dispatcher->database);
}

/* ---- reading it again ---- */

static int adopt_settings(struct parts *parts, struct parts *fresh,
                          bool *same, struct harp_error *error)
{
    struct hosts *hosts = parts->hosts;

    if (doors_renew(parts->doors, fresh->doors, same, error) != 0)
        return -1;
    parts->hosts = fresh->hosts;
    fresh->hosts = hosts;
    parts->limits = fresh->limits;
    return 0;
}

/*
 * Hosts, limits, and the users and certificates of listeners are taken over;
 * or, when anything is wrong with the file, nothing is.
 */
static int64_t reload(void *owner, struct harp_error *error)
{
    struct dispatcher *dispatcher = owner;
    struct dispatcher fresh = { .parts.most_running = SIZE_MAX };
    bool same = true;
    int status = -1;

    systemd_notify_reloading();
    if (read_config(&fresh, dispatcher->config, error) == 0)
        status = adopt_settings(&dispatcher->parts, &fresh.parts, &same,
                                error);
    free_settings(&fresh);
    systemd_notify("READY=1");
    if (status != 0)
        log_warn("not reloaded, all stays as it was: %s", error->message);
    else
        log_info("reloaded%s", same ? "" : "; the listeners stay as they are");
    return status == 0 ? !same : -1;
}

static void on_hang_up(uv_signal_t *signal, int number)
{
    struct harp_error error;

    (void)number;
    reload(signal->data, &error);
}

/* ---- control ---- */

/* Hosts come from the configuration alone. */
static int64_t refresh_hosts(void *owner, struct harp_error *error)
{
    (void)owner;
    return error_set(error, USAGE_ERROR, "not_available",
                     "hosts cannot be refreshed here");
}

/* Nothing is ever removed from the database. */
static int64_t prune(void *owner, double seconds, struct harp_error *error)
{
    (void)owner;
    (void)seconds;
    return error_set(error, USAGE_ERROR, "not_available",
                     "jobs cannot be pruned here");
}

static void request_stop(void *owner)
{
    (void)owner;
    kill(getpid(), SIGTERM);
}

static int64_t file_size(const char *path, const char *suffix)
{
    char *name = memory_format("%s%s", path, suffix);
    struct stat file;
    int64_t size = stat(name, &file) == 0 ? file.st_size : 0;

    free(name);
    return size;
}

static int64_t database_size(void *owner)
{
    const struct dispatcher *dispatcher = owner;

    return file_size(dispatcher->database, "")
         + file_size(dispatcher->database, "-wal");
}

static const struct control_actions actions = {
    reload, refresh_hosts, prune, request_stop, database_size
};

static void close_doors(struct dispatcher *dispatcher)
{
    doors_close(dispatcher->parts.doors);
    control_close(dispatcher->control);
    uv_close((uv_handle_t *)&dispatcher->hang_up, NULL);
}

/* The ways in, for clients and for whoever runs it. */
static int open_doors(struct dispatcher *dispatcher, struct harp_error *error)
{
    struct parts *parts = &dispatcher->parts;

    if (doors_open(parts->doors, parts, error) != 0)
        return -1;
    uv_signal_init(&parts->loop, &dispatcher->hang_up);
    dispatcher->hang_up.data = dispatcher;
    uv_signal_start(&dispatcher->hang_up, on_hang_up, SIGHUP);
    if (!dispatcher->control_at.path)
        return 0;
    dispatcher->control = control_open(parts, &dispatcher->control_at,
                                       &actions, dispatcher, error);
    if (dispatcher->control)
        return 0;
    close_doors(dispatcher);
    return -1;
}

/* ---- starting ---- */

/* As many descriptors as there may be: one half for clients, one for runs. */
static void set_limits(struct parts *parts)
{
    struct rlimit limit;
    size_t half;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    half = limit.rlim_cur / 2;
    parts->most_clients = half;
    parts->most_running = half < OWN_DESCRIPTORS + RUN_DESCRIPTORS ? 1
                        : (half - OWN_DESCRIPTORS) / RUN_DESCRIPTORS;
    signal(SIGXFSZ, SIG_IGN);   /* a file too large is an error as others */
}

struct dispatcher *dispatcher_new(const char *config,
                                  struct harp_error *error)
{
    struct dispatcher *dispatcher = memory_new(sizeof *dispatcher);
    struct parts *parts = &dispatcher->parts;

    dispatcher->config = memory_string(config);
    LIST_INIT(&parts->sessions);
    TAILQ_INIT(&parts->touched);
    TAILQ_INIT(&parts->waiting);
    set_limits(parts);
    uv_loop_init(&parts->loop);
    turn_start(parts);
    parts->net = net_new(&parts->loop);
    if (read_config(dispatcher, config, error) == 0)
        parts->store = store_open(&parts->loop, dispatcher->database, error);
    if (parts->store && open_doors(dispatcher, error) == 0)
        return dispatcher;
    dispatcher_free(dispatcher);
    return NULL;
}

static void take_up(void *owner, int64_t number, const char *id,
                    const struct request *call)
{
    job_begin(owner, number, id, call);
}

static int recover(struct dispatcher *dispatcher, struct harp_error *error)
{
    struct parts *parts = &dispatcher->parts;
    struct buffer outcome = { 0 };
    int status;

    outcome_error(&outcome, "missing_result", "job interrupted abruptly");
    status = store_recover(parts->store, buffer_text(&outcome), take_up,
                           parts, error);
    buffer_free(&outcome);
    return status == 0 ? 0 : error_prefix(error, "%s", dispatcher->database);
}

/* ---- stopping ---- */

/* Once is enough: a second one must not cut the end short. */
static void block_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
}

/* Queued jobs stay in the store; those that run are told, and end. */
static void stop(void *owner)
{
    struct dispatcher *dispatcher = owner;

    log_info("stopping");
    dispatcher->parts.stopping = true;
    systemd_notify("STOPPING=1");
    close_doors(dispatcher);
    block_signals();
    service_end(&dispatcher->service);
    job_stop_all(&dispatcher->parts);
    uv_stop(&dispatcher->parts.loop);
}

int dispatcher_run(struct dispatcher *dispatcher, struct harp_error *error)
{
    struct parts *parts = &dispatcher->parts;

    if (recover(dispatcher, error) != 0) {
        close_doors(dispatcher);
        return -1;
    }
    service_start(&dispatcher->service, &parts->loop, dispatcher->lifeline,
                  stop, dispatcher);
    doors_announce(parts->doors);
    systemd_notify("READY=1\nSTATUS=Takes calls");
    uv_run(&parts->loop, UV_RUN_DEFAULT);
    return 0;
}

/* What is queued in the store completes, then everything closes. */
void dispatcher_free(struct dispatcher *dispatcher)
{
    struct parts *parts = &dispatcher->parts;

    parts->stopping = true;
    if (parts->store)
        store_end(parts->store);
    turn_end(parts);
    store_close(parts->store);
    session_close_all(parts);
    job_free_all(parts);
    net_free(parts->net);
    uv_run(&parts->loop, UV_RUN_DEFAULT);
    uv_loop_close(&parts->loop);
    control_free(dispatcher->control);
    free_settings(dispatcher);
    free(dispatcher->config);
    free(dispatcher);
}
