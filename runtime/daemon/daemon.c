#include "daemon/daemon.h"

#include <signal.h>
#include <stdlib.h>
#include <uv.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/children.h"
#include "daemon/knocks.h"
#include "daemon/listeners.h"
#include "daemon/origins.h"
#include "daemon/rehearsal.h"
#include "daemon/settings.h"
#include "net/service.h"
#include "net/systemd.h"

struct daemon {
    char *config;               /* its file, to be read again */
    struct daemon_settings settings;
    uv_loop_t loop;
    struct origins *origins;
    struct knocks *knocks;
    struct children *children;
    uv_signal_t hang_up;        /* SIGHUP */
    struct service service;
};

/* ---- callers ---- */

static void on_accepted(void *owner, int socket,
                        const struct sockaddr_storage *address)
{
    struct daemon *daemon = owner;

    knocks_add(daemon->knocks, socket, address);
}

static bool on_exhausted(void *owner)
{
    struct daemon *daemon = owner;

    return knocks_make_room(daemon->knocks);
}

static bool take(void *owner, const struct knock *knock)
{
    struct daemon *daemon = owner;

    return children_take(daemon->children, knock);
}

static void on_waiting(void *owner, bool any)
{
    struct daemon *daemon = owner;

    children_await(daemon->children, any);
}

static void on_room(void *owner)
{
    struct daemon *daemon = owner;

    knocks_retry(daemon->knocks);
}

/* ---- a reload ---- */

/* Those who came in by the old settings are served by them to the end. */
static void take_over(struct daemon *daemon, struct daemon_settings *fresh)
{
    struct daemon_settings old = daemon->settings;

    daemon->settings = *fresh;
    daemon->settings.listeners = old.listeners;
    daemon->settings.lifeline = old.lifeline;
    old.listeners = fresh->listeners;
    *fresh = old;
    log_set(daemon->settings.log);
    children_renew(daemon->children);
}

static void reload(struct daemon *daemon)
{
    struct daemon_settings fresh = { 0 };
    struct harp_error error;
    bool same;

    if (daemon_settings_read(&fresh, daemon->config, &error) != 0) {
        log_warn("not reloaded, all stays as it was: %s", error.message);
    } else {
        same = listeners_are_same(daemon->settings.listeners,
                                  fresh.listeners);
        take_over(daemon, &fresh);
        log_info("reloaded%s", same ? "" : "; to listen elsewhere needs a "
                                          "restart");
    }
    daemon_settings_free(&fresh);
}

static void on_hang_up(uv_signal_t *signal, int number)
{
    (void)number;
    systemd_notify_reloading();
    reload(signal->data);
    systemd_notify("READY=1");
}

/* ---- the end ---- */

static void on_hurry(void *owner)
{
    struct daemon *daemon = owner;

    children_kill(daemon->children);
}

static void on_ended(void *owner)
{
    struct daemon *daemon = owner;

    service_end(&daemon->service);
}

/* A second signal does not wait for calls to end well. */
static void stop(void *owner)
{
    struct daemon *daemon = owner;

    log_info("stopping");
    systemd_notify("STOPPING=1");
    listeners_close(daemon->settings.listeners);
    knocks_close(daemon->knocks);
    service_close_signal(&daemon->hang_up, SIGHUP);
    daemon->service.stop = on_hurry;
    children_stop(daemon->children);
}

/* ---- the whole ---- */

static void start(struct daemon *daemon)
{
    static const struct listeners_user accepting = { on_accepted,
                                                     on_exhausted };
    static const struct knocks_user knocking = { take, on_waiting };
    static const struct children_user serving = { on_room, on_ended };

    uv_loop_init(&daemon->loop);
    daemon->origins = origins_new();
    daemon->knocks = knocks_new(&daemon->loop, daemon->origins,
                                &daemon->settings, &knocking, daemon);
    daemon->children = children_new(&daemon->loop, &daemon->settings,
                                    &serving, daemon);
    uv_signal_init(&daemon->loop, &daemon->hang_up);
    daemon->hang_up.data = daemon;
    uv_signal_start(&daemon->hang_up, on_hang_up, SIGHUP);
    service_start(&daemon->service, &daemon->loop, daemon->settings.lifeline,
                  stop, daemon);
    listeners_start(daemon->settings.listeners, &daemon->loop, &accepting,
                    daemon);
}

struct daemon *daemon_new(const char *config, struct harp_error *error)
{
    struct daemon *daemon = memory_new(sizeof *daemon);

    daemon->config = memory_string(config);
    if (daemon_settings_read(&daemon->settings, config, error) == 0
        && listeners_open(daemon->settings.listeners, error) == 0)
        return daemon;
    daemon_free(daemon);
    return NULL;
}

void daemon_run(struct daemon *daemon)
{
    rehearsal_hold(daemon->settings.context.tls);
    log_set(daemon->settings.log);
    start(daemon);
    systemd_notify("READY=1\nSTATUS=Takes calls");
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    uv_loop_close(&daemon->loop);
}

void daemon_free(struct daemon *daemon)
{
    children_free(daemon->children);
    knocks_free(daemon->knocks);
    origins_free(daemon->origins);
    daemon_settings_free(&daemon->settings);
    free(daemon->config);
    free(daemon);
}

int daemon_test(const char *config, struct harp_error *error)
{
    struct daemon_settings settings = { 0 };
    int status = daemon_settings_read(&settings, config, error);

    daemon_settings_free(&settings);
    return status;
}
