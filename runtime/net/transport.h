/*
 * A server's end of a connection, plain or TLS: whoever has it sees plain
 * bytes. What differs between the two is a table of functions.
 *
 *   transport_start ─► (handshake ─►) ready ─► received… ─► transport_close
 *                           │                    │               ▲
 *                           └─ received(< 0) ────┴─ transport_end┘
 */
#ifndef HARP_NET_TRANSPORT_H
#define HARP_NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

struct buffer;
struct ssl_ctx_st;              /* OpenSSL's SSL_CTX */
struct ssl_st;
struct transport;

#define TRANSPORT_SPACE 16384   /* bytes that are read at once */
#define TRANSPORT_NAME 128

/* Called from the loop. */
struct transport_user {
    void (*ready)(void *owner);         /* of TLS: the hands are shaken */
    char *(*space)(void *owner);        /* room of TRANSPORT_SPACE, for… */
    void (*received)(void *owner, ssize_t size);        /* …this, or why not:
                                   UV_EOF, UV_EPROTO (TLS failed), others */
    void (*sent)(void *owner, int status);      /* what had to wait is out */
    void (*ended)(void *owner, int status);     /* and so is the end */
    void (*closed)(void *owner);
};

/* What is done differently: for tls.c. */
struct transport_kind {
    void (*give_space)(struct transport *transport, uv_buf_t *buffer);
    void (*arrived)(struct transport *transport, const char *data,
                    size_t size);
    void (*resume)(struct transport *transport);        /* what was held back */
    int (*send)(struct transport *transport, struct buffer *bytes);
    void (*end)(struct transport *transport);
    void (*free)(struct transport *transport);
};

struct transport {
    const struct transport_user *user;
    void *owner;
    const struct transport_kind *kind;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } peer;
    uv_shutdown_t shutdown;
    bool receiving;             /* more is wanted */
    bool reading;               /* libuv reads */
    bool ended;                 /* nothing is heard any more */
    struct ssl_st *ssl;         /* NULL when it is plain */
    bool draining;              /* of TLS: it hands on what it has */
    bool shaken;                /* of TLS: its hands are */
    const char *reason;         /* of TLS: why it failed */
};

/* Takes a connection from a listener; 0, or an error of libuv's. The owner
   closes it in any case. `tls` makes it one with TLS. */
int transport_start(struct transport *transport, uv_stream_t *listener,
                    struct ssl_ctx_st *tls,
                    const struct transport_user *user, void *owner);

/* Is more wanted? It is not, at first. */
void transport_receive(struct transport *transport, bool wanted);

/*
 * Sends as much as there is room for now, and the rest later, followed by
 * `sent`. The buffer is empty then; it may keep some of its room. 0, or an
 * error of libuv's.
 */
int transport_send(struct transport *transport, struct buffer *bytes);

/* Bytes that had to wait. */
size_t transport_queued(const struct transport *transport);

/*
 * The end of what is sent. After that nothing that comes is heard, but for the
 * other's end. 0, or an error of libuv's.
 */
int transport_end(struct transport *transport);

void transport_close(struct transport *transport);
bool transport_is_closing(const struct transport *transport);

/* Who is there, for the log: "10.0.0.1:5000", "[::1]:5000", "unix uid=0". */
const char *transport_name(const struct transport *transport,
                           char name[TRANSPORT_NAME]);

/* For tls.c: as transport_send, what is to go over the wire. */
int transport_send_raw(struct transport *transport, struct buffer *bytes);

#endif
