/*
 * Inside client/ only: the connection that a caller's requests share, once
 * the dispatcher has shown that it knows tags (protocol §4).
 *
 *                 a user waits              knows tags
 *   CLOSED ─────────────────────► GREETING ───────────► OPEN
 *     ▲                            │    └─────────────► STOCK
 *     └──────── cut ───────────────┴────────────────────┘ (not from STOCK)
 *
 * When it is cut all users fail; the next one makes it greet again. While
 * nobody uses it, it does not keep the loop alive.
 */
#ifndef HARP_CLIENT_CHANNEL_H
#define HARP_CLIENT_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "client/caller.h"

struct channel;

/*
 * One request's part in it. The three are called from the loop, and must not
 * call this page, but for `ready`.
 */
struct channel_user {
    TAILQ_ENTRY(channel_user) link;     /* while it waits for the greeting */
    bool waits;                 /* its reply may take long */
    int64_t tag;                /* 0 until it is sent */
    uint64_t end;               /* of its line, in all that was sent */
    void (*ready)(struct channel_user *user);   /* greeted: OPEN or STOCK */
    void (*replied)(struct channel_user *user, struct text line);
    void (*failed)(struct channel_user *user,
                   const struct harp_error *error, bool sent);
};

enum channel_state {
    CHANNEL_CLOSED, CHANNEL_GREETING, CHANNEL_OPEN, CHANNEL_STOCK
};

struct channel *channel_new(struct net *net, const struct endpoint *endpoint,
                            struct patience patience);
void channel_free(struct channel *channel);

/* Who greets; both are the owner's, and stay. */
void channel_login(struct channel *channel, char *user, char *password);

enum channel_state channel_state(const struct channel *channel);

/*
 * Looks what came since the loop last turned: what is sent to a peer that has
 * hung up may have arrived, as far as anyone can tell.
 */
void channel_look(struct channel *channel);

/* Has the dispatcher named this extension? False in all but OPEN. */
bool channel_has(const struct channel *channel, const char *extension);

bool channel_is_stock(const struct channel *channel);

/* Waits for the end of the greeting; for a state of CLOSED or GREETING. */
void channel_wait(struct channel *channel, struct channel_user *user);

/* Sends a request's line (with its line end), in OPEN. It gets one reply. */
void channel_send(struct channel *channel, struct channel_user *user,
                  struct text line);

/* Neither a reply nor a failure comes any more. */
void channel_leave(struct channel *channel, struct channel_user *user);

#endif
