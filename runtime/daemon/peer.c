#include "daemon/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "wire/line.h"

#define READ_SIZE 16384
#define LINGER 1000             /* ms for a caller to hang up, once answered */

struct peer {
    SSL *ssl;
    int socket;
    long deadline;              /* ms, monotonic */
    struct line_reader input;
};

static long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Waits until the socket is ready; false at the deadline. */
static bool wait_socket(const struct peer *peer, short events)
{
    struct pollfd ready = { .fd = peer->socket, .events = events };
    int status;

    do {
        long left = peer->deadline - now();

        if (left <= 0)
            return false;
        status = poll(&ready, 1, (int)left);
    } while (status == 0 || (status < 0 && errno == EINTR));
    return status > 0;
}

/* After an OpenSSL call: should it be repeated? Sets errno if not. */
static bool can_go_on(const struct peer *peer, int result)
{
    int reason = SSL_get_error(peer->ssl, result);

    errno = 0;
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
        errno = ECONNRESET;
        return false;
    }
    if (wait_socket(peer, reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT))
        return true;
    errno = ETIMEDOUT;
    return false;
}

static int fail(struct harp_error *error, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    bool late = errno == ETIMEDOUT;

    return error_set(error, REMOTE_ERROR, late ? "timeout" : "read_error",
                     "%s: %s", what, late ? "it took too long"
                     : reason ? reason : "the caller hung up");
}

struct peer *peer_open(SSL_CTX *context, int socket, double seconds,
                       struct harp_error *error)
{
    struct peer *peer = memory_new(sizeof *peer);
    int result;

    peer->socket = socket;
    peer->deadline = now() + (long)(seconds * 1e3);
    peer->ssl = SSL_new(context);
    SSL_set_fd(peer->ssl, socket);
    while ((result = SSL_accept(peer->ssl)) != 1) {
        if (can_go_on(peer, result))
            continue;
        fail(error, "TLS handshake");
        peer_close(peer);
        return NULL;
    }
    return peer;
}

bool peer_is_resumed(const struct peer *peer)
{
    return SSL_session_reused(peer->ssl);
}

int peer_read_line(struct peer *peer, size_t limit, struct text *line,
                   struct harp_error *error)
{
    while (!line_take(&peer->input, line)) {
        int got;

        if (line_pending(&peer->input) > limit)
            return error_set(error, REMOTE_ERROR, "invalid_request",
                             "the request is longer than %zu bytes", limit);
        got = SSL_read(peer->ssl, line_space(&peer->input, READ_SIZE),
                       READ_SIZE);
        if (got > 0)
            line_filled(&peer->input, (size_t)got);
        else if (!can_go_on(peer, got))
            return fail(error, "reading the request");
    }
    return 0;
}

ssize_t peer_write(struct peer *peer, struct text bytes, short *event)
{
    int sent = SSL_write(peer->ssl, bytes.data, (int)bytes.length);

    if (sent > 0)
        return sent;
    switch (SSL_get_error(peer->ssl, sent)) {
    case SSL_ERROR_WANT_READ:
        *event = POLLIN;
        return 0;
    case SSL_ERROR_WANT_WRITE:
        *event = POLLOUT;
        return 0;
    default:
        return -1;
    }
}

int peer_send(struct peer *peer, struct text bytes)
{
    ssize_t sent;
    short event = 0;

    while ((sent = peer_write(peer, bytes, &event)) == 0)
        if (!wait_socket(peer, event))
            return -1;
    return sent > 0 ? 0 : -1;
}

int peer_socket(const struct peer *peer)
{
    return peer->socket;
}

/*
 * Closing while bytes come in resets the connection, and the answer is lost
 * with it: the end of ours is sent, then that of the caller awaited.
 */
static void linger(struct peer *peer)
{
    char ignored[4096];

    shutdown(peer->socket, SHUT_WR);
    peer->deadline = now() + LINGER;
    while (wait_socket(peer, POLLIN)
           && recv(peer->socket, ignored, sizeof ignored, 0) > 0)
        continue;
}

void peer_close(struct peer *peer)
{
    if (!peer)
        return;
    if (SSL_is_init_finished(peer->ssl))
        SSL_shutdown(peer->ssl);
    linger(peer);
    SSL_free(peer->ssl);
    close(peer->socket);
    line_free(&peer->input);
    free(peer);
}
