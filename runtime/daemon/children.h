/*
 * The processes of the calls, as their parent sees them. Each is counted with
 * its origin until it has said who calls; there may be so many of an origin
 * then (`max_unauthenticated`), and four times as many of all. One that has
 * taken a second goes for a caller that came later than it began. Whoever was
 * there before has to wait until no more than half of these are used: so a
 * crowd that stands there does not hold up those who come and call.
 */
#ifndef HARP_DAEMON_CHILDREN_H
#define HARP_DAEMON_CHILDREN_H

#include <stdbool.h>
#include <uv.h>

struct children;
struct daemon_settings;
struct knock;

/* What is told to whoever has them. */
struct children_user {
    void (*room)(void *owner);  /* a place may be free for who waits */
    void (*ended)(void *owner); /* the last one, after children_stop */
};

/* The settings may change at any time, in place. */
struct children *children_new(uv_loop_t *loop,
                              const struct daemon_settings *settings,
                              const struct children_user *user, void *owner);

/* After other settings: how many calls there may be. */
void children_renew(struct children *children);

/*
 * Has a process serve a connection; what fails is logged. The connection is
 * still the caller's to close. false when it has to wait.
 */
bool children_take(struct children *children, const struct knock *knock);

/* Shall `room` be told also when one has said who calls? */
void children_await(struct children *children, bool wanted);

/*
 * Asks all to end: the callers are told. Those that have not ended a second
 * after their grace are killed, with all that they have started.
 */
void children_stop(struct children *children);
void children_kill(struct children *children);      /* at once */

void children_free(struct children *children);  /* its handles are closed */

#endif
