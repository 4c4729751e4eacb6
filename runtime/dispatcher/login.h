/*
 * Finding out whether a client is who it says it is. Hashing a password takes
 * milliseconds, and is done in another thread; a failure is told only after a
 * while, which holds up nobody but whoever failed.
 */
#ifndef HARP_DISPATCHER_LOGIN_H
#define HARP_DISPATCHER_LOGIN_H

#include <stdbool.h>
#include <uv.h>

struct login;
struct users;

/*
 * `user` and `password` are copied; both NULL when there are none. `from` is
 * for the log. `done` is called once, from the loop, unless it is abandoned.
 */
struct login *login_start(uv_loop_t *loop, struct users *users,
                          const char *user, const char *password,
                          const char *from,
                          void (*done)(void *owner, bool passed),
                          void *owner);

/* Nobody waits for it any more. NULL is fine. */
void login_abandon(struct login *login);

#endif
