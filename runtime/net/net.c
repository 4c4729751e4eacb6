#include "net/net.h"

#include <stdlib.h>

#include "base/memory.h"

struct net {
    uv_loop_t *loop;
    CURLM *multi;               /* NULL until the first connect */
    uv_timer_t timer;           /* libcurl has one timeout at a time */
    struct net_connect *failed; /* not reported yet */
};

/* A socket that libcurl wants watched while it connects. */
struct watch {
    uv_poll_t poll;
    struct net *net;
    curl_socket_t socket;
};

static void report_done(struct net *net)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(net->multi, &left))) {
        struct net_connect *connect;
        CURLcode result = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &connect);
        connect->done(connect, result);
    }
}

static void act(struct net *net, curl_socket_t socket, int events)
{
    int running;

    curl_multi_socket_action(net->multi, socket, events, &running);
    report_done(net);
}

static void report_failed(struct net *net)
{
    struct net_connect *connect;

    while ((connect = net->failed)) {
        net->failed = connect->next;
        connect->done(connect, CURLE_FAILED_INIT);
    }
}

static void forget_failed(struct net *net, const struct net_connect *connect)
{
    struct net_connect **at = &net->failed;

    while (*at && *at != connect)
        at = &(*at)->next;
    if (*at)
        *at = connect->next;
}

static void on_timer(uv_timer_t *timer)
{
    struct net *net = timer->data;

    report_failed(net);
    if (net->multi)
        act(net, CURL_SOCKET_TIMEOUT, 0);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;

    act(watch->net, watch->socket,
        status < 0 ? CURL_CSELECT_ERR
                   : (events & UV_READABLE ? CURL_CSELECT_IN : 0)
                     | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static void free_handle_data(uv_handle_t *handle)
{
    free(handle->data);
}

/* NULL when it cannot be watched: then its connect is a timeout. */
static struct watch *watch_new(struct net *net, curl_socket_t socket)
{
    struct watch *watch = memory_new(sizeof *watch);

    watch->net = net;
    watch->socket = socket;
    if (uv_poll_init(net->loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    curl_multi_assign(net->multi, socket, watch);
    return watch;
}

static int watch_socket(CURL *easy, curl_socket_t socket, int what,
                        void *context, void *assigned)
{
    struct net *net = context;
    struct watch *watch = assigned;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            uv_close((uv_handle_t *)&watch->poll, free_handle_data);
        return 0;
    }
    if (!watch)
        watch = watch_new(net, socket);
    if (!watch)
        return 0;
    uv_poll_start(&watch->poll, (what & CURL_POLL_IN ? UV_READABLE : 0)
                  | (what & CURL_POLL_OUT ? UV_WRITABLE : 0), on_ready);
    return 0;
}

static int set_timer(CURLM *multi, long milliseconds, void *context)
{
    struct net *net = context;

    (void)multi;
    if (milliseconds < 0)
        uv_timer_stop(&net->timer);
    else
        uv_timer_start(&net->timer, on_timer, (uint64_t)milliseconds, 0);
    return 0;
}

struct net *net_new(uv_loop_t *loop)
{
    struct net *net = memory_new(sizeof *net);

    net->loop = loop;
    uv_timer_init(loop, &net->timer);
    net->timer.data = net;
    return net;
}

void net_free(struct net *net)
{
    if (!net)
        return;
    if (net->multi)
        curl_multi_cleanup(net->multi);
    uv_close((uv_handle_t *)&net->timer, free_handle_data);
}

uv_loop_t *net_loop(const struct net *net)
{
    return net->loop;
}

/*
 * A multi handle keeps the connections of its easy handles in one cache, and
 * closes those that it takes for dead or for unused too long: ours may be
 * both in its eyes, since it does not see their use. In a cache of its own
 * nothing ever looks at a connection.
 */
static void keep_apart(struct net_connect *connect)
{
    connect->share = curl_share_init();
    curl_share_setopt(connect->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT);
    curl_easy_setopt(connect->easy, CURLOPT_SHARE, connect->share);
}

void net_prepare(struct net *net, struct net_connect *connect)
{
    if (curl_load() != 0)
        return;
    if (!net->multi) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        net->multi = curl_multi_init();
        curl_multi_setopt(net->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
        curl_multi_setopt(net->multi, CURLMOPT_SOCKETDATA, net);
        curl_multi_setopt(net->multi, CURLMOPT_TIMERFUNCTION, set_timer);
        curl_multi_setopt(net->multi, CURLMOPT_TIMERDATA, net);
    }
    connect->easy = curl_easy_init();
    keep_apart(connect);
}

void net_start(struct net *net, struct net_connect *connect)
{
    if (!connect->easy) {
        connect->next = net->failed;
        net->failed = connect;
        uv_timer_start(&net->timer, on_timer, 0, 0);
        return;
    }
    curl_easy_setopt(connect->easy, CURLOPT_PRIVATE, connect);
    curl_multi_add_handle(net->multi, connect->easy);
}

void net_stop(struct net *net, struct net_connect *connect)
{
    if (!connect->easy) {
        forget_failed(net, connect);
        return;
    }
    curl_multi_remove_handle(net->multi, connect->easy);
    curl_easy_cleanup(connect->easy);
    curl_share_cleanup(connect->share);
    connect->easy = NULL;
}
