#include "dispatcher/dispatcher.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/doors.h"
#include "dispatcher/hosts.h"
#include "dispatcher/job.h"
#include "dispatcher/parts.h"
#include "dispatcher/retention.h"
#include "dispatcher/run.h"
#include "dispatcher/session.h"
#include "dispatcher/stop.h"
#include "dispatcher/store.h"
#include "dispatcher/turn.h"
#include "host/config.h"
#include "host/log_settings.h"
#include "net/net.h"
#include "net/service.h"
#include "wire/reply.h"

#define DATABASE "/var/lib/harp/dispatcher.db"
#define LIMIT 600.0             /* seconds, as stock has it (protocol §1) */
#define JOB_BYTES (1 << 30)
#define GRACE 5.0               /* seconds */
#define MOST_RUNNING 1000
#define OWN_DESCRIPTORS 24      /* of the loop, the store, the listener */
#define RUN_DESCRIPTORS 3       /* of a run, while it connects */

struct dispatcher {
    struct parts parts;
    struct doors *doors;
    char *database;
    bool lifeline;
    struct service service;
    double grace;               /* seconds for what runs at the end */
    struct stop stop;
};

/* ---- configuration ---- */

static double read_limit(struct config *config, const char *name)
{
    double seconds = config_number(config, name, LIMIT);

    if (!(seconds > 0 && seconds < 1e9))
        config_complain(config, name, "must be seconds above 0");
    return seconds;
}

static void read_job_bytes(struct parts *parts, struct config *config)
{
    double bytes = config_number(config, "job_bytes", JOB_BYTES);

    if (!(bytes >= 1 && bytes < 9e18))
        config_complain(config, "job_bytes", "must be at least 1");
    else
        parts->job_bytes = (int64_t)bytes;
}

/* Nobody waits for the servers of a script that has ended. */
static void read_grace(struct dispatcher *dispatcher, struct config *config)
{
    double seconds = config_number(config, "grace",
                                   dispatcher->lifeline ? 0 : GRACE);

    if (!(seconds >= 0 && seconds < 1e9))
        config_complain(config, "grace", "must be seconds, 0 or more");
    dispatcher->grace = seconds;
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

static int read_settings(struct dispatcher *dispatcher,
                         struct config *config, struct harp_error *error)
{
    dispatcher->doors = doors_read(config);
    dispatcher->database = memory_string(config_string(config, "database",
                                                       DATABASE));
    dispatcher->lifeline = config_boolean(config, "lifeline", false);
    read_grace(dispatcher, config);
    read_job_bytes(&dispatcher->parts, config);
    dispatcher->parts.retention = retention_new(&dispatcher->parts, config);
    dispatcher->parts.timeout = read_limit(config, "timeout");
    dispatcher->parts.max_exec_time = read_limit(config, "max_exec_time");
    read_most_running(&dispatcher->parts, config);
    run_read_settings(&dispatcher->parts, config);
    log_settings_read(config);
    dispatcher->parts.hosts = hosts_read(config);
    limits_read(&dispatcher->parts.limits, config);
    if (config_finish(config, error) != 0)
        return -1;
    return doors_prepare(dispatcher->doors, error);
}

static int read_config(struct dispatcher *dispatcher, const char *path,
                       struct harp_error *error)
{
    struct config *config = config_load(path, error);
    int status = config ? read_settings(dispatcher, config, error) : -1;

    if (!hosts_keep(dispatcher->parts.hosts, config))
        config_free(config);
    return status;
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

    LIST_INIT(&parts->sessions);
    TAILQ_INIT(&parts->touched);
    ready_start(&parts->ready);
    TAILQ_INIT(&parts->waiting);
    set_limits(parts);
    uv_loop_init(&parts->loop);
    turn_start(parts);
    parts->net = net_new(&parts->loop);
    if (read_config(dispatcher, config, error) == 0)
        parts->store = store_open(&parts->loop, dispatcher->database, error);
    if (parts->store)
        hosts_start(parts->hosts, parts, dispatcher->database);
    if (parts->store && doors_open(dispatcher->doors, parts, error) == 0)
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

/* Once more is enough: a third one must not cut the end short. */
static void block_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
}

static void on_hurry(void *owner)
{
    struct dispatcher *dispatcher = owner;

    stop_hurry(&dispatcher->stop);
}

static void on_ending(void *owner)
{
    struct dispatcher *dispatcher = owner;

    block_signals();
    service_end(&dispatcher->service);
}

/* The service is done with the first signal; the second one hurries. */
static void stop(void *owner)
{
    struct dispatcher *dispatcher = owner;

    log_info("stopping");
    doors_close(dispatcher->doors);
    dispatcher->service.stop = on_hurry;
    stop_begin(&dispatcher->stop, &dispatcher->parts, dispatcher->grace,
               on_ending, dispatcher);
}

int dispatcher_run(struct dispatcher *dispatcher, struct harp_error *error)
{
    struct parts *parts = &dispatcher->parts;

    if (recover(dispatcher, error) != 0) {
        doors_close(dispatcher->doors);
        return -1;
    }
    service_start(&dispatcher->service, &parts->loop, dispatcher->lifeline,
                  stop, dispatcher);
    retention_start(parts->retention);
    doors_announce(dispatcher->doors);
    uv_run(&parts->loop, UV_RUN_DEFAULT);
    return 0;
}

/* What is queued in the store completes, then everything closes. */
void dispatcher_free(struct dispatcher *dispatcher)
{
    struct parts *parts = &dispatcher->parts;

    parts->stopping = parts->ending = true;
    if (parts->store)
        store_end(parts->store);
    turn_end(parts);
    retention_free(parts->retention);
    store_close(parts->store);
    session_close_all(parts);
    job_free_all(parts);
    hosts_stop(parts->hosts);
    net_free(parts->net);
    uv_run(&parts->loop, UV_RUN_DEFAULT);
    uv_loop_close(&parts->loop);
    hosts_free(parts->hosts);
    doors_free(dispatcher->doors);
    free(dispatcher->database);
    free(dispatcher);
}
