#include "net/transport.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "net/tls.h"

#define ROOM_KEPT (1 << 15)     /* bytes of room that an empty buffer keeps */
#define KEEPALIVE 60            /* seconds before a silent peer is probed */

/* ---- sending ---- */

struct sending {
    uv_write_t write;
    struct transport *transport;
    struct buffer bytes;
};

static void on_sent(uv_write_t *write, int status)
{
    struct sending *sending = write->data;
    struct transport *transport = sending->transport;

    buffer_free(&sending->bytes);
    free(sending);
    if (!transport_is_closing(transport))
        transport->user->sent(transport->owner, status);
}

/* What the peer has no room for now goes out as it reads. */
static int send_later(struct transport *transport, struct buffer *bytes,
                      size_t sent)
{
    struct sending *sending = memory_new(sizeof *sending);
    uv_buf_t rest = { .base = bytes->data + sent,
                      .len = bytes->length - sent };

    sending->transport = transport;
    sending->bytes = *bytes;
    sending->write.data = sending;
    *bytes = (struct buffer){ 0 };
    return uv_write(&sending->write, &transport->peer.stream, &rest, 1,
                    on_sent);
}

int transport_send_raw(struct transport *transport, struct buffer *bytes)
{
    uv_buf_t all = { .base = bytes->data, .len = bytes->length };
    int sent;

    if (bytes->length == 0)
        return 0;
    sent = uv_try_write(&transport->peer.stream, &all, 1);
    if (sent < 0 && sent != UV_EAGAIN)
        return sent;
    if (sent < 0 || (size_t)sent < bytes->length)
        return send_later(transport, bytes, sent < 0 ? 0 : (size_t)sent);
    bytes->length = 0;
    if (bytes->capacity > ROOM_KEPT)
        buffer_free(bytes);
    return 0;
}

int transport_send(struct transport *transport, struct buffer *bytes)
{
    return bytes->length ? transport->kind->send(transport, bytes) : 0;
}

size_t transport_queued(const struct transport *transport)
{
    return transport->peer.stream.write_queue_size;
}

/* ---- plain ---- */

static void plain_space(struct transport *transport, uv_buf_t *buffer)
{
    *buffer = uv_buf_init(transport->user->space(transport->owner),
                          TRANSPORT_SPACE);
}

static void plain_arrived(struct transport *transport, const char *data,
                          size_t size)
{
    (void)data;
    transport->user->received(transport->owner, (ssize_t)size);
}

static void plain_nothing(struct transport *transport)
{
    (void)transport;
}

static const struct transport_kind plain = {
    plain_space, plain_arrived, plain_nothing, transport_send_raw,
    plain_nothing, plain_nothing
};

/* ---- receiving ---- */

static void give_space(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    static char ignored[TRANSPORT_SPACE];
    struct transport *transport = handle->data;

    (void)size;
    if (transport->ended)
        *buffer = uv_buf_init(ignored, sizeof ignored);
    else
        transport->kind->give_space(transport, buffer);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct transport *transport = stream->data;

    if (size < 0)
        transport->user->received(transport->owner, size);
    else if (size > 0 && !transport->ended)
        transport->kind->arrived(transport, buffer->base, (size_t)size);
}

/* A kind that held something back may find out that it is enough. */
void transport_receive(struct transport *transport, bool wanted)
{
    bool more = wanted && !transport->receiving;

    transport->receiving = wanted;
    if (more)
        transport->kind->resume(transport);
    if (transport_is_closing(transport))
        return;
    if (transport->receiving && !transport->reading)
        uv_read_start(&transport->peer.stream, give_space, on_read);
    else if (!transport->receiving && transport->reading)
        uv_read_stop(&transport->peer.stream);
    transport->reading = transport->receiving;
}

/* ---- the beginning and the end ---- */

int transport_start(struct transport *transport, uv_stream_t *listener,
                    struct ssl_ctx_st *tls,
                    const struct transport_user *user, void *owner)
{
    transport->user = user;
    transport->owner = owner;
    transport->kind = tls ? tls_kind(transport, tls) : &plain;
    if (listener->type == UV_TCP)
        uv_tcp_init(listener->loop, &transport->peer.tcp);
    else
        uv_pipe_init(listener->loop, &transport->peer.pipe, 0);
    transport->peer.handle.data = transport;
    if (uv_accept(listener, &transport->peer.stream) != 0)
        return UV_ECONNABORTED;
    if (listener->type == UV_TCP) {
        uv_tcp_nodelay(&transport->peer.tcp, 1);
        uv_tcp_keepalive(&transport->peer.tcp, 1, KEEPALIVE);
    }
    return 0;
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct transport *transport = shutdown->data;

    if (!transport_is_closing(transport))
        transport->user->ended(transport->owner, status);
}

int transport_end(struct transport *transport)
{
    transport->kind->end(transport);
    transport->ended = true;
    transport->shutdown.data = transport;
    return uv_shutdown(&transport->shutdown, &transport->peer.stream,
                       on_shutdown);
}

static void on_closed(uv_handle_t *handle)
{
    struct transport *transport = handle->data;

    transport->kind->free(transport);
    transport->user->closed(transport->owner);
}

void transport_close(struct transport *transport)
{
    if (!transport_is_closing(transport))
        uv_close(&transport->peer.handle, on_closed);
}

bool transport_is_closing(const struct transport *transport)
{
    return uv_is_closing(&transport->peer.handle);
}

/* ---- its name ---- */

static const char *name_of_process(int fd, char *name)
{
    struct ucred peer;
    socklen_t length = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        return strcpy(name, "unix");
    snprintf(name, TRANSPORT_NAME, "unix uid=%u pid=%d", peer.uid, peer.pid);
    return name;
}

const char *transport_name(const struct transport *transport,
                           char name[TRANSPORT_NAME])
{
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address;
    char host[64], port[16];
    int fd = -1;

    uv_fileno(&transport->peer.handle, &fd);
    if (transport->peer.handle.type == UV_NAMED_PIPE)
        return name_of_process(fd, name);
    if (getpeername(fd, (struct sockaddr *)&address, &length) != 0
        || getnameinfo((struct sockaddr *)&address, length, host, sizeof host,
                       port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV)
           != 0)
        return strcpy(name, "?");
    snprintf(name, TRANSPORT_NAME, strchr(host, ':') ? "[%s]:%s" : "%s:%s",
             host, port);
    return name;
}
