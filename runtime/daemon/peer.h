/*
 * The TLS line to a caller, in the child that serves it: blocking, with a
 * deadline, until the request was read and the call's guard takes it over.
 */
#ifndef HARP_DAEMON_PEER_H
#define HARP_DAEMON_PEER_H

#include <sys/types.h>

#include "base/buffer.h"
#include "net/openssl.h"

struct harp_error;
struct peer;

/*
 * Shakes hands on a non-blocking socket. NULL when it fails, or when
 * `seconds` for handshake and request are over.
 */
struct peer *peer_open(SSL_CTX *context, int socket, double seconds,
                       struct harp_error *error);

/* Was a TLS session resumed, which takes half as long? */
bool peer_is_resumed(const struct peer *peer);

/*
 * The request's line, without its end; valid until peer_close. Errors:
 * timeout, read_error, invalid_request (longer than `limit` bytes).
 */
int peer_read_line(struct peer *peer, size_t limit, struct text *line,
                   struct harp_error *error);

/* Waits until the deadline of the request; -1 when the caller is gone. */
int peer_send(struct peer *peer, struct text bytes);

/*
 * Never waits: how many bytes went out, which is all or nothing; 0 with the
 * poll(2) event to wait for, and then the same bytes are to be tried again,
 * at the same place; -1 when the caller is gone.
 */
ssize_t peer_write(struct peer *peer, struct text bytes, short *event);
int peer_socket(const struct peer *peer);

/* Lets the last bytes arrive, then closes. */
void peer_close(struct peer *peer);

#endif
