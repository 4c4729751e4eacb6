/*
 * Where callers come in: the setting `listen`, an address or a list of them,
 * "host:port", "unix:/path" (which is the daemon's user's alone), "systemd"
 * or "systemd:NAME" for sockets that systemd listens on.
 */
#ifndef HARP_DAEMON_LISTENERS_H
#define HARP_DAEMON_LISTENERS_H

#include <stdbool.h>
#include <uv.h>

struct config;
struct harp_error;
struct listeners;
struct sockaddr_storage;

struct listeners_user {
    /* A connection, non-blocking and the user's from now on. */
    void (*accepted)(void *owner, int socket,
                     const struct sockaddr_storage *address);
    /* No descriptor is left for one: can the user give one up? */
    bool (*exhausted)(void *owner);
};

/* Complaints go to the configuration. */
struct listeners *listeners_read(struct config *config);

/* Would both listen at the same places? */
bool listeners_are_same(const struct listeners *a, const struct listeners *b);

/* Listens at all of them; an error leaves none that was opened here. */
int listeners_open(struct listeners *listeners, struct harp_error *error);

/* Prints where they listen, a line each, and lets callers in. */
void listeners_start(struct listeners *listeners, uv_loop_t *loop,
                     const struct listeners_user *user, void *owner);

void listeners_close(struct listeners *listeners);  /* lets nobody in */
void listeners_free(struct listeners *listeners);   /* NULL is fine */

#endif
