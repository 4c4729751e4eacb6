/*
 * Connections that have no process yet. It is made for those that have sent a
 * whole ClientHello, and only then: who is silent, or stops halfway, costs a
 * descriptor for the time that a request may take, and nobody else anything.
 *
 *   accepted ---> peeked at, as bytes come ---> taken: a process serves it
 *                   |  |                   \       ^
 *                   |  | nothing in time,   \      | newest first
 *                   |  | one too many        v     |
 *                   |  +------------------ waits: too many of its origin are
 *                   v                  v      served and have not said who
 *                 no TLS, or too old:  closed         they are
 */
#ifndef HARP_DAEMON_KNOCKS_H
#define HARP_DAEMON_KNOCKS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/origins.h"

struct daemon_settings;
struct knocks;

struct knock {
    int socket;
    struct origin *origin;
    char address[CALLER_NAME];
    uint64_t arrived;           /* ms, of the loop */
    bool waits;                 /* was not taken at once */
};

/* Who takes them. */
struct knocks_user {
    /* Makes a process for it, or does its best; false: it is to wait. */
    bool (*take)(void *owner, const struct knock *knock);
    /* Some wait now, or none any more. */
    void (*waiting)(void *owner, bool any);
};

/* The settings may change at any time, in place. */
struct knocks *knocks_new(uv_loop_t *loop, struct origins *origins,
                          const struct daemon_settings *settings,
                          const struct knocks_user *user, void *owner);

/* A connection that was accepted: non-blocking, and theirs from now on. */
void knocks_add(struct knocks *knocks, int socket,
                const struct sockaddr_storage *address);

/* Is there one that can go, so that another can be accepted? Then it goes. */
bool knocks_make_room(struct knocks *knocks);

/* Offers those that wait once more. */
void knocks_retry(struct knocks *knocks);

/* Closes all; freed when the loop has closed them. */
void knocks_close(struct knocks *knocks);
void knocks_free(struct knocks *knocks);

#endif
