/*
 * Where callers come from: whom they are counted with before they have said
 * who they are, and how often wrong passwords came from there. That is an
 * IPv4 address, the /64 of an IPv6 one (which one customer has), or the user
 * at the other end of a unix socket.
 */
#ifndef HARP_DAEMON_ORIGINS_H
#define HARP_DAEMON_ORIGINS_H

#include <stddef.h>
#include <stdint.h>

struct origin;
struct origins;
struct sockaddr_storage;

#define CALLER_NAME 64          /* room for "[v6]:port", with its NUL */

struct origins *origins_new(void);

/*
 * That of an accepted connection, to be left when it has no more of it. The
 * caller's address, as the log has it, goes to `name`.
 */
struct origin *origins_enter(struct origins *origins, int socket,
                             const struct sockaddr_storage *address,
                             char name[CALLER_NAME]);
void origin_leave(struct origin *origin);

/* The processes that serve it and do not know yet whom; they keep it, too. */
void origin_add_process(struct origin *origin);
void origin_remove_process(struct origin *origin);
size_t origin_processes(const struct origin *origin);

/*
 * Notes a wrong password: how many there were. `now` is in ms. They are
 * forgotten ten minutes after the last one.
 */
unsigned origin_fail(struct origin *origin, uint64_t now);

/* How long the next one's answer waits: `least` seconds, doubled by each. */
double origin_delay(const struct origin *origin, double least, uint64_t now);

void origins_free(struct origins *origins);     /* when all have left */

#endif
