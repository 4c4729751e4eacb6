#include "daemon/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "host/config.h"
#include "net/listen.h"
#include "net/place.h"
#include "net/service.h"
#include "net/systemd.h"

#define PORT 4306
#define ADDRESS "127.0.0.1:4306"
#define ACCEPT_PAUSE 1000       /* ms, when there are no descriptors left */
#define KEEPALIVE 60            /* s of silence before a caller is probed */

struct listener {
    TAILQ_ENTRY(listener) link;
    struct listeners *listeners;
    struct place place;
    int socket;                 /* -1 while it does not listen */
    char *name;                 /* of what it really listens on */
    uv_poll_t poll;
    bool polled;
};

struct listeners {
    TAILQ_HEAD(, listener) list;
    const struct listeners_user *user;
    void *owner;
    uv_timer_t pause;           /* of accepting */
    bool started;
};

/* ---- settings ---- */

static void add(struct listeners *listeners, struct config *config,
                const char *address)
{
    struct listener *listener = memory_new(sizeof *listener);
    struct harp_error error;

    listener->listeners = listeners;
    listener->socket = -1;
    TAILQ_INSERT_TAIL(&listeners->list, listener, link);
    if (place_parse(&listener->place, address, PORT, &error) != 0)
        config_complain(config, "listen", error.message);
}

static void read_entry(struct config *config, const char *key, void *context)
{
    const char *address = config_value(config);

    if (key || !address)
        config_complain(config, "listen",
                        "must be an address or a list of addresses");
    else
        add(context, config, address);
}

struct listeners *listeners_read(struct config *config)
{
    struct listeners *listeners = memory_new(sizeof *listeners);

    TAILQ_INIT(&listeners->list);
    if (config_is_string(config, "listen"))
        add(listeners, config, config_string(config, "listen", NULL));
    else
        config_each(config, "listen", read_entry, listeners);
    if (TAILQ_EMPTY(&listeners->list))
        add(listeners, config, ADDRESS);
    return listeners;
}

bool listeners_are_same(const struct listeners *a, const struct listeners *b)
{
    const struct listener *left = TAILQ_FIRST(&a->list);
    const struct listener *right = TAILQ_FIRST(&b->list);

    while (left && right
           && strcmp(left->place.address, right->place.address) == 0) {
        left = TAILQ_NEXT(left, link);
        right = TAILQ_NEXT(right, link);
    }
    return !left && !right;
}

/* ---- opening ---- */

static void close_socket(struct listener *listener)
{
    if (listener->polled)
        uv_close((uv_handle_t *)&listener->poll, NULL);
    listener->polled = false;
    if (listener->socket >= 0)
        close(listener->socket);
    listener->socket = -1;
}

int listeners_open(struct listeners *listeners, struct harp_error *error)
{
    struct listener *listener;

    TAILQ_FOREACH(listener, &listeners->list, link) {
        listener->socket = place_open(&listener->place, LISTEN_MODE,
                                      &listener->name, error);
        if (listener->socket < 0) {
            listeners_close(listeners);
            return -1;
        }
    }
    if (systemd_sockets_left() > 0)
        log_warn("systemd has handed on %d sockets that no listener takes",
                 systemd_sockets_left());
    return 0;
}

/* ---- accepting ---- */

static void accept_all(struct listeners *listeners);

static void on_pause_over(uv_timer_t *pause)
{
    accept_all(pause->data);
}

/* A caller that is not accepted stays there, and would wake us for ever. */
static void rest(struct listeners *listeners)
{
    struct listener *listener;

    log_warn("cannot accept: %s", strerror(errno));
    TAILQ_FOREACH(listener, &listeners->list, link)
        uv_poll_stop(&listener->poll);
    uv_timer_start(&listeners->pause, on_pause_over, ACCEPT_PAUSE, 0);
}

static void accept_failed(struct listeners *listeners)
{
    if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
        return;
    if ((errno != EMFILE && errno != ENFILE)
        || !listeners->user->exhausted(listeners->owner))
        rest(listeners);
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
    struct listener *listener = poll->data;
    struct listeners *listeners = listener->listeners;
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address;
    int socket;

    (void)status;
    (void)events;
    socket = accept4(listener->socket, (struct sockaddr *)&address, &length,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
        accept_failed(listeners);
        return;
    }
    if (address.ss_family != AF_UNIX)
        set_options(socket);
    listeners->user->accepted(listeners->owner, socket, &address);
}

static void accept_all(struct listeners *listeners)
{
    struct listener *listener;

    TAILQ_FOREACH(listener, &listeners->list, link)
        uv_poll_start(&listener->poll, UV_READABLE, on_connection);
}

void listeners_start(struct listeners *listeners, uv_loop_t *loop,
                     const struct listeners_user *user, void *owner)
{
    struct listener *listener;

    listeners->user = user;
    listeners->owner = owner;
    listeners->started = true;
    uv_timer_init(loop, &listeners->pause);
    listeners->pause.data = listeners;
    TAILQ_FOREACH(listener, &listeners->list, link) {
        uv_poll_init(loop, &listener->poll, listener->socket);
        listener->poll.data = listener;
        listener->polled = true;
        service_announce(listener->name);
    }
    accept_all(listeners);
}

/* ---- closing ---- */

void listeners_close(struct listeners *listeners)
{
    struct listener *listener;

    TAILQ_FOREACH(listener, &listeners->list, link)
        close_socket(listener);
    if (listeners->started)
        uv_close((uv_handle_t *)&listeners->pause, NULL);
    listeners->started = false;
}

void listeners_free(struct listeners *listeners)
{
    struct listener *listener;

    while (listeners && (listener = TAILQ_FIRST(&listeners->list))) {
        TAILQ_REMOVE(&listeners->list, listener, link);
        if (listener->socket >= 0)
            close(listener->socket);
        place_free(&listener->place);
        free(listener->name);
        free(listener);
    }
    free(listeners);
}
