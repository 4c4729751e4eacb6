/*
 * Locks of procedures, by name: so many calls at a time, first come first
 * served. A call has its place until its process has ended.
 */
#ifndef HARP_DAEMON_LOCKS_H
#define HARP_DAEMON_LOCKS_H

struct locks;
struct slot;
struct slot_wish;

struct locks *locks_new(void);

/*
 * What a slot wishes is noted, in the order that the wishes were made; it is
 * answered by locks_answer, or later, when it waits until a place is free.
 */
void locks_ask(struct locks *locks, struct slot *slot,
               const struct slot_wish *wish);
void locks_answer(struct locks *locks);

/* Its process has ended: whatever it has or waits for is others'. */
void locks_leave(struct locks *locks, const struct slot *slot);

void locks_free(struct locks *locks);

#endif
