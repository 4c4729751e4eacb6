/*
 * A watchdog over a peer: it barks when nothing was heard for too long. What
 * came while this process was busy with other things counts as heard: the
 * loop looks at its sockets once more before the dog is believed.
 */
#ifndef HARP_CLIENT_WATCHDOG_H
#define HARP_CLIENT_WATCHDOG_H

struct uv_loop_s;
struct watchdog;

/* `bark` is called from the loop, and may free the watchdog. */
struct watchdog *watchdog_new(struct uv_loop_s *loop,
                              void (*bark)(void *owner), void *owner);

/* Barks in so many seconds, unless there is news; 0: sleeps. */
void watchdog_watch(struct watchdog *watchdog, double seconds);

/* There is news: the seconds begin again, cheaply (up to twice as long). */
void watchdog_calm(struct watchdog *watchdog);

void watchdog_free(struct watchdog *watchdog);  /* NULL is fine */

#endif
