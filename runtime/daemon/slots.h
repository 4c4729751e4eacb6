/*
 * What the processes of the calls tell the daemon, and ask of it, while they
 * live: a slot for each, in memory that they share.
 */
#ifndef HARP_DAEMON_SLOTS_H
#define HARP_DAEMON_SLOTS_H

#include <stdbool.h>
#include <stddef.h>

struct slot;

/* In the child: the password was wrong. */
void slot_fail(struct slot *slot);

/* It was right; false when max_children (*most) calls run. */
bool slot_admit(struct slot *slot, size_t *most);

/*
 * Takes one of `most` places of the lock, let go of when the process ends;
 * false when they are taken and it is not to wait. Waits without limit: the
 * guard ends who waits too long.
 */
bool slot_lock(struct slot *slot, const char *name, size_t most, bool wait);

#endif
