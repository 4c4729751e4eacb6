#include "dispatcher/dispatcher.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/descriptors.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/control.h"
#include "dispatcher/doors.h"
#include "dispatcher/hosts.h"
#include "dispatcher/job.h"
#include "dispatcher/parts.h"
#include "dispatcher/retention.h"
#include "dispatcher/run.h"
#include "dispatcher/session.h"
#include "dispatcher/settings.h"
#include "dispatcher/stop.h"
#include "dispatcher/store.h"
#include "dispatcher/turn.h"
#include "net/endpoint.h"
#include "net/net.h"
#include "net/service.h"
#include "net/systemd.h"
#include "wire/reply.h"

#define OWN_DESCRIPTORS 24      /* of the loop, the store, the listener */
#define RUN_DESCRIPTORS 3       /* of a run, while it connects */

struct dispatcher {
    struct parts parts;
    char *config;               /* its file, to be read again */
    struct settings_file file;  /* what is left of it: parts have the rest */
    struct control *control;
    uv_signal_t hang_up;        /* SIGHUP: read the configuration again */
    struct service service;
    struct stop stop;
};

/* ---- configuration ---- */

/* There may be fewer descriptors than all the calls would need. */
static void limit_running(struct parts *parts)
{
    size_t *most = &parts->settings.most_running;

    if (*most <= parts->most_calls)
        return;
    log_warn("descriptors are short: no more than %zu calls at once",
             parts->most_calls);
    *most = parts->most_calls;
}

/*
 * What can change while it runs is taken over or, when anything is wrong with
 * the file, nothing is. Returns whether the listeners would be others now.
 */
static int64_t reload(void *owner, struct harp_error *error)
{
    struct dispatcher *dispatcher = owner;
    struct settings_file fresh = { 0 };
    bool same = true;
    int status;

    systemd_notify_reloading();
    status = settings_read(&fresh, dispatcher->config, error);
    if (status == 0)
        status = settings_renew(&dispatcher->parts, &fresh,
                                dispatcher->file.database, &same, error);
    if (status == 0)
        log_set(fresh.log);
    settings_free(&fresh);
    limit_running(&dispatcher->parts);
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

    return file_size(dispatcher->file.database, "")
         + file_size(dispatcher->file.database, "-wal");
}

static const struct control_actions actions = {
    reload, request_stop, database_size
};

static void close_doors(struct dispatcher *dispatcher)
{
    doors_close(dispatcher->parts.doors);
    control_close(dispatcher->control);
    service_close_signal(&dispatcher->hang_up, SIGHUP);
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
    if (!dispatcher->file.control.path)
        return 0;
    dispatcher->control = control_open(parts, &dispatcher->file.control,
                                       &actions, dispatcher, error);
    if (dispatcher->control)
        return 0;
    close_doors(dispatcher);
    return -1;
}

/* ---- starting ---- */

/* Of the descriptors one half is for clients, one for runs. */
static void set_limits(struct parts *parts)
{
    size_t half = descriptors_raise() / 2;

    parts->most_clients = half;
    parts->most_calls = half < OWN_DESCRIPTORS + RUN_DESCRIPTORS ? 1
                      : (half - OWN_DESCRIPTORS) / RUN_DESCRIPTORS;
    signal(SIGXFSZ, SIG_IGN);   /* a file too large is an error as others */
}

/* What is read from the configuration becomes that of the parts. */
static int read_settings(struct dispatcher *dispatcher,
                         struct harp_error *error)
{
    struct settings_file *file = &dispatcher->file;
    struct parts *parts = &dispatcher->parts;
    int status = settings_read(file, dispatcher->config, error);

    if (status == 0)
        log_set(file->log);
    parts->settings = file->settings;
    parts->hosts = file->hosts;
    parts->doors = file->doors;
    file->hosts = NULL;
    file->doors = NULL;
    limit_running(parts);
    return status;
}

struct dispatcher *dispatcher_new(const char *config,
                                  struct harp_error *error)
{
    struct dispatcher *dispatcher = memory_new(sizeof *dispatcher);
    struct parts *parts = &dispatcher->parts;

    dispatcher->config = memory_string(config);
    LIST_INIT(&parts->sessions);
    TAILQ_INIT(&parts->touched);
    ready_start(&parts->ready);
    TAILQ_INIT(&parts->waiting);
    set_limits(parts);
    uv_loop_init(&parts->loop);
    turn_start(parts);
    parts->net = net_new(&parts->loop);
    parts->retention = retention_new(parts);
    if (read_settings(dispatcher, error) == 0)
        parts->store = store_open(&parts->loop, dispatcher->file.database,
                                  error);
    if (parts->store)
        hosts_start(parts->hosts, parts, dispatcher->file.database);
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
    return status == 0 ? 0 : error_prefix(error, "%s", dispatcher->file.database);
}

/* ---- stopping ---- */

static void on_hurry(void *owner)
{
    struct dispatcher *dispatcher = owner;

    stop_hurry(&dispatcher->stop);
}

static void on_ending(void *owner)
{
    struct dispatcher *dispatcher = owner;

    service_end(&dispatcher->service);
}

/* The first signal is done with; the second one hurries, others do nothing. */
static void stop(void *owner)
{
    struct dispatcher *dispatcher = owner;

    log_info("stopping");
    systemd_notify("STOPPING=1");
    close_doors(dispatcher);
    dispatcher->service.stop = on_hurry;
    stop_begin(&dispatcher->stop, &dispatcher->parts,
               dispatcher->file.grace, on_ending, dispatcher);
}

int dispatcher_run(struct dispatcher *dispatcher, struct harp_error *error)
{
    struct parts *parts = &dispatcher->parts;

    if (recover(dispatcher, error) != 0) {
        close_doors(dispatcher);
        return -1;
    }
    service_start(&dispatcher->service, &parts->loop,
                  dispatcher->file.lifeline, stop, dispatcher);
    retention_start(parts->retention);
    doors_announce(parts->doors);
    systemd_notify("READY=1\nSTATUS=Takes calls");
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
    control_free(dispatcher->control);
    hosts_free(parts->hosts);
    doors_free(parts->doors);
    settings_free(&dispatcher->file);
    free(dispatcher->config);
    free(dispatcher);
}
