/*
 * The listeners: where clients come in, and who may. Each is an entry of the
 * setting `listen`, a string or a table:
 *
 *     { address = "0.0.0.0:3502", tls = true, certificate = …, key = …,
 *       client_ca = …, users = { name = secret }, password_file = … }
 *     { address = "unix:/run/harp/sock", mode = 0660 }
 *     "systemd", "systemd:name"         sockets that systemd listened on
 *
 * Beyond loopback none is opened that anybody could use, or to which passwords
 * would go in the clear, unless it has `open = true`.
 */
#ifndef HARP_DISPATCHER_DOORS_H
#define HARP_DISPATCHER_DOORS_H

#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#include "net/place.h"

struct buffer;
struct config;
struct harp_error;
struct parts;
struct ssl_ctx_st;              /* OpenSSL's SSL_CTX */
struct users;

struct door {
    TAILQ_ENTRY(door) link;
    TAILQ_ENTRY(door) turn;     /* among those that wait */
    bool waits;                 /* one too many stands before it */
    struct parts *parts;
    struct door *successor;     /* while it is renewed */
    struct place place;
    mode_t mode;
    bool open;
    struct users *users;        /* NULL when nobody has to say who they are */
    char *certificate;          /* NULL when it is plain */
    char *key;
    char *client_ca;
    struct ssl_ctx_st *tls;     /* NULL, too */
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_handle_t handle;
    } listener;
    bool listens;
    bool local;                 /* nobody but this machine reaches it */
    char *name;                 /* of what it really listens on */
};

TAILQ_HEAD(doors, door);

/* Takes `listen` from a configuration; complaints go to it. */
struct doors *doors_read(struct config *config);

/* Gets ready what TLS and passwords need: what is wrong with it shows here. */
int doors_prepare(struct doors *doors, struct harp_error *error);

/* Listens at all of them. */
int doors_open(struct doors *doors, struct parts *parts,
               struct harp_error *error);

/* One line each, of standard output. */
void doors_announce(const struct doors *doors);

/* A client may come in again: one at a time. */
void doors_admit(struct parts *parts);

/* Too many are in: whoever stands there waits, and those behind. */
void doors_wait(struct door *door);

/*
 * Takes users and certificates over from others that were read and prepared,
 * those of the same address. Where they listen stays: *same tells whether the
 * others would listen there, too. -1 when that must not be: nothing changes.
 */
int doors_renew(struct doors *doors, struct doors *others, bool *same,
                struct harp_error *error);

/* Nobody comes in any more. */
void doors_close(struct doors *doors);

/* After their handles are closed. NULL is fine. */
void doors_free(struct doors *doors);

#endif
