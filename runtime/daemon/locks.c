#include "daemon/locks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/memory.h"
#include "daemon/slots.h"

/* A process that has a place, or waits for one. */
struct claim {
    TAILQ_ENTRY(claim) link;
    struct slot *slot;
    unsigned long ticket;
    size_t most;
    bool wait;
    bool granted;
};

struct lock {
    LIST_ENTRY(lock) link;
    char *name;
    TAILQ_HEAD(claims, claim) claims;   /* by their tickets */
    size_t granted;
};

struct locks {
    LIST_HEAD(, lock) list;
};

struct locks *locks_new(void)
{
    return memory_new(sizeof(struct locks));
}

static struct lock *find(struct locks *locks, const char *name)
{
    struct lock *lock;

    LIST_FOREACH(lock, &locks->list, link)
        if (strcmp(lock->name, name) == 0)
            return lock;
    lock = memory_new(sizeof *lock);
    lock->name = memory_string(name);
    TAILQ_INIT(&lock->claims);
    LIST_INSERT_HEAD(&locks->list, lock, link);
    return lock;
}

static void remove_claim(struct lock *lock, struct claim *claim)
{
    if (claim->granted)
        lock->granted--;
    TAILQ_REMOVE(&lock->claims, claim, link);
    free(claim);
}

static void free_lock(struct lock *lock)
{
    while (!TAILQ_EMPTY(&lock->claims))
        remove_claim(lock, TAILQ_FIRST(&lock->claims));
    LIST_REMOVE(lock, link);
    free(lock->name);
    free(lock);
}

static void insert(struct lock *lock, struct claim *claim)
{
    struct claim *before = TAILQ_LAST(&lock->claims, claims);

    while (before && before->ticket > claim->ticket)
        before = TAILQ_PREV(before, claims, link);
    if (before)
        TAILQ_INSERT_AFTER(&lock->claims, before, claim, link);
    else
        TAILQ_INSERT_HEAD(&lock->claims, claim, link);
}

void locks_ask(struct locks *locks, struct slot *slot,
               const struct slot_wish *wish)
{
    struct claim *claim = memory_new(sizeof *claim);

    claim->slot = slot;
    claim->ticket = wish->ticket;
    claim->most = wish->most;
    claim->wait = wish->wait;
    insert(find(locks, wish->name), claim);
}

/* Nobody overtakes the first who waits. */
static void answer(struct lock *lock)
{
    struct claim *claim, *next;
    bool waits = false;

    for (claim = TAILQ_FIRST(&lock->claims); claim; claim = next) {
        next = TAILQ_NEXT(claim, link);
        if (claim->granted)
            continue;
        if (!waits && lock->granted < claim->most) {
            claim->granted = true;
            lock->granted++;
            slot_answer(claim->slot, true);
        } else if (claim->wait) {
            waits = true;
        } else {
            slot_answer(claim->slot, false);
            remove_claim(lock, claim);
        }
    }
    if (TAILQ_EMPTY(&lock->claims))
        free_lock(lock);
}

void locks_answer(struct locks *locks)
{
    struct lock *lock, *next;

    for (lock = LIST_FIRST(&locks->list); lock; lock = next) {
        next = LIST_NEXT(lock, link);
        answer(lock);
    }
}

static struct claim *find_claim(struct locks *locks, const struct slot *slot,
                                struct lock **lock)
{
    struct claim *claim;

    LIST_FOREACH(*lock, &locks->list, link)
        TAILQ_FOREACH(claim, &(*lock)->claims, link)
            if (claim->slot == slot)
                return claim;
    return NULL;
}

void locks_leave(struct locks *locks, const struct slot *slot)
{
    struct lock *lock;
    struct claim *claim = find_claim(locks, slot, &lock);

    if (!claim)
        return;
    remove_claim(lock, claim);
    answer(lock);
}

void locks_free(struct locks *locks)
{
    if (!locks)
        return;
    while (!LIST_EMPTY(&locks->list))
        free_lock(LIST_FIRST(&locks->list));
    free(locks);
}
