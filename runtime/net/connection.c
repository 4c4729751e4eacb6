#include "net/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "net/dial.h"
#include "net/endpoint.h"
#include "net/net.h"
#include "net/trace.h"
#include "wire/line.h"

#define READ_SIZE 16384
#define READ_AHEAD 262144       /* bytes kept for an owner that is slow */
#define OUTPUT_KEPT 4096        /* bytes of room that stay when all is sent */

enum connection_state { CONNECTING, OPEN, ENDED };

struct connection {
    struct net_connect connect;
    struct net *net;
    uv_poll_t poll;             /* ours from OPEN on */
    bool poll_made;
    int events;                 /* that the poll waits for */
    bool again;                 /* look at the next turn, whatever it says */
    int socket;                 /* a plain one is ours, with TLS libcurl's */
    struct endpoint endpoint;
    struct dial dial;           /* of its connect */
    enum connection_state state;
    struct line_reader input;
    size_t longest;             /* line that is taken; 0 for any */
    struct buffer output;
    uint64_t opened;            /* ms of the loop's clock */
    size_t output_start;        /* what is before it has left */
    uint64_t given, sent;       /* bytes to be sent, and that left, in all */
    bool deaf;                  /* the peer takes no more; it may still talk */
    bool heard;                 /* it has said something */
    struct harp_error error;    /* why it ended */
    void (*notify)(void *owner);
    void *owner;
};

/* ---- how it ends ---- */

/* `error` is set. */
static void end(struct connection *connection)
{
    connection->state = ENDED;
    if (connection->poll_made)
        uv_poll_stop(&connection->poll);
    buffer_free(&connection->output);
}

static void end_with(struct connection *connection, const char *type,
                     const char *reason)
{
    char *name = endpoint_route(&connection->endpoint);

    error_set(&connection->error, COMMUNICATION_ERROR, type, "%s: %s", name,
              reason);
    free(name);
    end(connection);
}

/* The peer's machine says that it is gone, even if its TLS has not. */
static bool is_closed(const struct connection *connection)
{
    char byte;

    return recv(connection->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Once the peer has answered it has not refused us: what then was is not known. */
static void end_errno(struct connection *connection, int number)
{
    char type[32];

    if (!connection->heard
        && dial_was_refused(&connection->dial, &connection->error))
        end(connection);
    else if (is_closed(connection))
        end_with(connection, "closed", "closed by the peer");
    else
        end_with(connection, error_name(number, type, sizeof type),
                 strerror(number));
}

/* ---- bytes in and out: plain sockets directly, TLS through libcurl ---- */

/* Bytes moved, 0 at the end of the stream, -1 with errno. */
static ssize_t receive(struct connection *connection, char *space,
                       size_t size)
{
    size_t received = 0;

    if (!connection->endpoint.tls)
        return recv(connection->socket, space, size, 0);
    switch (curl_easy_recv(connection->connect.easy, space, size, &received)) {
    case CURLE_OK:
        return (ssize_t)received;
    case CURLE_AGAIN:
        errno = EAGAIN;
        return -1;
    default:
        errno = ECONNRESET;
        return -1;
    }
}

static ssize_t transmit(struct connection *connection, struct text bytes)
{
    size_t sent = 0;

    if (!connection->endpoint.tls)
        return send(connection->socket, bytes.data, bytes.length,
                    MSG_NOSIGNAL);
    switch (curl_easy_send(connection->connect.easy, bytes.data, bytes.length,
                           &sent)) {
    case CURLE_OK:
        return (ssize_t)sent;
    case CURLE_AGAIN:
        errno = EAGAIN;
        return -1;
    default:
        errno = EPIPE;
        return -1;
    }
}

static bool is_full(struct connection *connection)
{
    return line_pending(&connection->input) >= READ_AHEAD
        && line_ready(&connection->input);
}

/* A part of a line is all there is, and too much. */
static bool is_endless(struct connection *connection)
{
    return connection->longest
        && line_pending(&connection->input) > connection->longest
        && !line_ready(&connection->input);
}

static void end_endless(struct connection *connection)
{
    char *reason = memory_format("a line of more than %zu bytes",
                                 connection->longest);

    line_free(&connection->input);
    end_with(connection, "bad_protocol", reason);
    free(reason);
}

static void receive_all(struct connection *connection)
{
    while (connection->state == OPEN && !is_full(connection)) {
        ssize_t got = receive(connection,
                              line_space(&connection->input, READ_SIZE),
                              READ_SIZE);

        if (got > 0) {
            connection->heard = true;
            line_filled(&connection->input, (size_t)got);
            if (is_endless(connection))
                end_endless(connection);
            if (!connection->endpoint.tls && got < READ_SIZE)
                return;         /* that was all; the poll tells of more */
        } else if (got == 0)
            end_with(connection, "closed", "closed by the peer");
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        else if (errno != EINTR)
            end_errno(connection, errno);
    }
}

/* Nearly nothing when it is off. */
static void trace(const struct connection *connection,
                  enum trace_direction direction, struct text lines)
{
    if (trace_on)
        trace_lines(direction, &connection->endpoint, lines);
}

static struct text unsent(const struct connection *connection)
{
    return (struct text){ connection->output.data + connection->output_start,
                          connection->output.length
                          - connection->output_start };
}

/* What has left is dropped once it is the larger part. */
static void compact_output(struct connection *connection)
{
    struct text left = unsent(connection);

    if (left.length > connection->output_start)
        return;
    memmove(connection->output.data, left.data, left.length);
    connection->output.length = left.length;
    connection->output_start = 0;
}

static void transmit_all(struct connection *connection)
{
    while (connection->state == OPEN && unsent(connection).length) {
        ssize_t sent = transmit(connection, unsent(connection));

        if (sent >= 0) {
            connection->sent += (uint64_t)sent;
            connection->output_start += (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            compact_output(connection);
            return;
        } else if (errno != EINTR) {
            connection->deaf = true;    /* it may have said why */
            break;
        }
    }
    connection->output.length = connection->output_start = 0;
    if (connection->output.capacity > OUTPUT_KEPT)
        buffer_free(&connection->output);
}

static void on_ready(uv_poll_t *poll, int status, int events);

/* Waits for what is wanted now: room to write, and bytes if not full. */
static void watch(struct connection *connection)
{
    int events = is_full(connection) ? 0 : UV_READABLE;

    if (connection->state != OPEN)
        return;
    if (unsent(connection).length || connection->again)
        events |= UV_WRITABLE;
    if (events == connection->events)
        return;
    connection->events = events;
    if (events)
        uv_poll_start(&connection->poll, events, on_ready);
    else
        uv_poll_stop(&connection->poll);
}

static void move_bytes(struct connection *connection)
{
    transmit_all(connection);
    receive_all(connection);
    watch(connection);
}

/* Is there something for the owner to see? */
static bool is_takeable(struct connection *connection)
{
    return connection->state == ENDED || line_ready(&connection->input);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;

    (void)events;
    connection->again = false;
    if (status < 0)             /* of a reset; libuv has stopped the poll */
        connection->events = 0;
    move_bytes(connection);
    if (is_takeable(connection))
        connection->notify(connection->owner);
}

/* ---- connecting ---- */

/* A plain one needs libcurl no more, and it would take some 30 KiB to keep. */
static int take_socket(struct connection *connection)
{
    curl_socket_t socket = CURL_SOCKET_BAD;

    curl_easy_getinfo(connection->connect.easy, CURLINFO_ACTIVESOCKET,
                      &socket);
    if (connection->endpoint.tls)
        return socket;
    socket = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    net_stop(connection->net, &connection->connect);
    return socket;
}

static void become_open(struct connection *connection)
{
    int status = UV_EBADF;

    connection->socket = take_socket(connection);
    if (connection->socket >= 0)
        status = uv_poll_init(net_loop(connection->net), &connection->poll,
                              connection->socket);
    if (status != 0) {
        end_with(connection, "closed", "it was lost as soon as it was made");
        return;
    }
    connection->state = OPEN;
    connection->opened = uv_now(net_loop(connection->net));
    connection->poll.data = connection;
    connection->poll_made = true;
    trace(connection, TRACE_SENT, unsent(connection));
    move_bytes(connection);
}

static void on_connected(struct net_connect *connect, CURLcode result)
{
    struct connection *connection = (struct connection *)connect;

    if (dial_finish(&connection->dial, result, &connection->error) == 0) {
        become_open(connection);
    } else {
        end(connection);
        net_stop(connection->net, connect); /* a refused peer may go now */
    }
    if (is_takeable(connection))
        connection->notify(connection->owner);
}

struct connection *connection_open(struct net *net,
                                   const struct endpoint *endpoint,
                                   void (*notify)(void *owner), void *owner)
{
    struct connection *connection = memory_new(sizeof *connection);

    connection->net = net;
    connection->socket = -1;
    connection->notify = notify;
    connection->owner = owner;
    endpoint_copy(&connection->endpoint, endpoint);
    connection->connect.done = on_connected;
    net_prepare(net, &connection->connect);
    dial_prepare(&connection->dial, connection->connect.easy,
                 &connection->endpoint);
    net_start(net, &connection->connect);
    return connection;
}

/* ---- use ---- */

void connection_send(struct connection *connection, struct text bytes)
{
    connection->given += bytes.length;
    if (connection->state == ENDED || connection->deaf)
        return;
    buffer_add_text(&connection->output, bytes);
    if (connection->state == OPEN) {
        trace(connection, TRACE_SENT, bytes);
        transmit_all(connection);
        watch(connection);
    }
}

uint64_t connection_position(const struct connection *connection)
{
    return connection->given;
}

bool connection_has_sent(const struct connection *connection,
                         uint64_t position)
{
    return connection->sent >= position;
}

void connection_look(struct connection *connection)
{
    receive_all(connection);
    watch(connection);
}

bool connection_is_silent(struct connection *connection, double seconds)
{
    uint64_t now = uv_now(net_loop(connection->net));

    return connection->state == OPEN && !is_takeable(connection)
        && (double)(now - connection->opened) >= seconds * 1e3;
}

double connection_time_open(const struct connection *connection)
{
    uint64_t now = uv_now(net_loop(connection->net));

    return connection->state == CONNECTING
         ? 0 : (double)(now - connection->opened) / 1e3;
}

void connection_limit_line(struct connection *connection, size_t bytes)
{
    connection->longest = bytes;
}

void connection_set_idle(struct connection *connection, bool idle)
{
    if (!connection->poll_made)
        return;
    if (idle)
        uv_unref((uv_handle_t *)&connection->poll);
    else
        uv_ref((uv_handle_t *)&connection->poll);
}

int connection_take(struct connection *connection, struct text *line,
                    struct harp_error *error)
{
    if (line_take(&connection->input, line)) {
        trace(connection, TRACE_RECEIVED, *line);
        return 1;
    }
    if (connection->state == OPEN && !(connection->events & UV_READABLE)) {
        /* It was full: TLS may hold bytes that no poll would tell of. Not
           read here, so that a flood leaves the loop to others too. */
        connection->again = true;
        watch(connection);
    }
    if (connection->state == ENDED) {
        *error = connection->error;
        return -1;
    }
    if (line_pending(&connection->input) == 0)
        line_free(&connection->input);
    return 0;
}

static void free_connection(struct connection *connection)
{
    endpoint_free(&connection->endpoint);
    line_free(&connection->input);
    buffer_free(&connection->output);
    free(connection);
}

static void on_closed(uv_handle_t *handle)
{
    free_connection(handle->data);
}

/*
 * May be called from within `notify`: nothing here or in net.c touches the
 * connection after that, and its poll handle is freed by the loop.
 */
void connection_close(struct connection *connection)
{
    if (!connection)
        return;
    if (connection->poll_made)
        uv_close((uv_handle_t *)&connection->poll, on_closed);
    if (connection->connect.easy)
        net_stop(connection->net, &connection->connect);
    if (!connection->endpoint.tls && connection->socket >= 0)
        close(connection->socket);
    if (!connection->poll_made)
        free_connection(connection);
}
