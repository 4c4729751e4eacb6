/*
 * What the processes of the calls tell the daemon, and ask of it, while they
 * live: a slot for each, in memory that they share. The daemon believes a
 * slot no more than the process that it is of: what it says can cost that
 * process its call, and others a place among `max_children`.
 */
#ifndef HARP_DAEMON_SLOTS_H
#define HARP_DAEMON_SLOTS_H

#include <stdbool.h>
#include <stddef.h>

#define SLOT_LOCK_NAME 128      /* bytes of a lock's name, with its NUL */
#define SLOT_CALL_NAME 64       /* bytes of a user's, and a procedure's */

/* What there is room for: the settings can be no higher. */
#define MOST_CHILDREN 20000
#define MOST_UNAUTHENTICATED 10000      /* of an address; all: four times */

struct slot;
struct slots;

/* ---- in the process of a call ---- */

/* The password was wrong. */
void slot_fail(struct slot *slot);

/* Whose call it is, and of what, for the daemon to tell of its end. */
void slot_name(struct slot *slot, const char *user, const char *procedure);

/*
 * It was right. false when as many calls as there may be (*most, the setting
 * max_children) are running: then this one is not to run. Waits a moment for
 * one that ends: whoever has an answer may call again before the process that
 * gave it is gone.
 */
bool slot_admit(struct slot *slot, size_t *most);

/*
 * Takes one of `most` places of the lock of that name, let go of when the
 * process ends. false when they are taken and it is not to wait, or when the
 * name is too long. Waits without limit; one lock a process. To be called
 * before privileges are dropped, as are the others.
 */
bool slot_lock(struct slot *slot, const char *name, size_t most, bool wait);

/* The last that is done with it: what runs then cannot write to any slot. */
void slot_leave(struct slot *slot);

/* ---- in the daemon ---- */

/* The signal by which the processes ring: there is something in a slot. */
#define SLOTS_BELL SIGUSR1

struct slots *slots_new(void);
void slots_set_most(struct slots *slots, size_t most);  /* calls at once */

/* Shall they ring when one is admitted, too? Not at first. */
void slots_await(struct slots *slots, bool admission);

/* NULL when none is left. */
struct slot *slots_take(struct slots *slots);

/* After the end of its process: a place among the calls becomes free. */
void slots_release(struct slots *slots, struct slot *slot);

bool slot_is_admitted(const struct slot *slot);

/* As far as there is room for them; empty when it never said it. */
struct slot_call {
    char user[SLOT_CALL_NAME];
    char procedure[SLOT_CALL_NAME];
};

struct slot_call slot_read_call(const struct slot *slot);

/* Has it failed since this was asked last? */
bool slot_has_failed(struct slot *slot);

/* What a process waits for an answer to. */
struct slot_wish {
    unsigned long ticket;       /* their order */
    char name[SLOT_LOCK_NAME];
    size_t most;
    bool wait;
};

/* false when it wishes nothing that was not read before. */
bool slot_read_wish(struct slot *slot, struct slot_wish *wish);
void slot_answer(struct slot *slot, bool granted);

void slots_free(struct slots *slots);   /* when no process is left */

#endif
