#include "daemon/slots.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

#define ADMISSION_SECONDS 1     /* that it waits for a call to end */

/* Beyond what may run, there are those that are killed and not gone yet. */
#define SLOTS (MOST_CHILDREN + 4 * MOST_UNAUTHENTICATED + 4096)

enum wish { WISH_NONE, WISH_MADE, WISH_READ, WISH_GRANTED, WISH_REFUSED };

struct slot {
    struct shared *shared;
    atomic_bool admitted;
    atomic_bool failed;
    _Atomic uint32_t wish;      /* enum wish; its process sleeps on it */
    unsigned long ticket;
    char name[SLOT_LOCK_NAME];
    size_t most;
    bool wait;
    struct slot_call call;
};

/*
 * A process can be killed between any two steps. So a place among the calls
 * is taken in one: its owner's slot is put into it.
 */
struct shared {
    pid_t daemon;
    atomic_size_t most;
    atomic_bool awaited;
    atomic_ulong tickets;
    _Atomic uint32_t releases;  /* how many there were; slept on */
    _Atomic(struct slot *) places[MOST_CHILDREN];
    struct slot slots[SLOTS];
};

/* No pointer that the daemon follows is where others can write. */
struct slots {
    struct shared *shared;
    size_t reach;               /* places that may be taken, now or before */
    size_t used;                /* slots above were never touched */
    struct slot **released;     /* a stack of those to be used again */
    size_t count;
};

/* ---- in the process of a call ---- */

/* Nobody else is to get the signal, should the daemon be gone. */
static void ring(const struct shared *shared)
{
    if (getppid() == shared->daemon)
        kill(shared->daemon, SLOTS_BELL);
}

void slot_fail(struct slot *slot)
{
    atomic_store(&slot->failed, true);
    ring(slot->shared);
}

void slot_name(struct slot *slot, const char *user, const char *procedure)
{
    snprintf(slot->call.user, SLOT_CALL_NAME, "%s", user);
    snprintf(slot->call.procedure, SLOT_CALL_NAME, "%s", procedure);
}

static bool take_place(struct slot *slot, size_t most)
{
    struct shared *shared = slot->shared;
    size_t first = (size_t)(slot - shared->slots);

    for (size_t i = 0; i < most; i++) {
        struct slot *nobody = NULL;

        if (atomic_compare_exchange_strong(
                &shared->places[(first + i) % most], &nobody, slot))
            return true;
    }
    return false;
}

/* Sleeps while the word has that value, until `deadline` if there is one. */
static long futex_wait(_Atomic uint32_t *word, uint32_t value,
                       const struct timespec *deadline)
{
    return syscall(SYS_futex, (void *)word, FUTEX_WAIT_BITSET, value, deadline,
                   NULL, FUTEX_BITSET_MATCH_ANY);
}

static void futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, (void *)word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static bool await_place(struct slot *slot, size_t most)
{
    struct shared *shared = slot->shared;
    struct timespec deadline;
    bool late = false;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += ADMISSION_SECONDS;
    for (;;) {
        uint32_t releases = atomic_load(&shared->releases);

        if (take_place(slot, most))
            return true;
        if (late)
            return false;
        late = futex_wait(&shared->releases, releases, &deadline) != 0
            && errno == ETIMEDOUT;
    }
}

bool slot_admit(struct slot *slot, size_t *most)
{
    *most = atomic_load(&slot->shared->most);
    if (!await_place(slot, *most))
        return false;
    atomic_store(&slot->admitted, true);
    if (atomic_load(&slot->shared->awaited))
        ring(slot->shared);
    return true;
}

static bool await_answer(struct slot *slot)
{
    uint32_t wish;

    while ((wish = atomic_load(&slot->wish)) == WISH_MADE
           || wish == WISH_READ)
        futex_wait(&slot->wish, wish, NULL);
    return wish == WISH_GRANTED;
}

bool slot_lock(struct slot *slot, const char *name, size_t most, bool wait)
{
    if (strlen(name) >= sizeof slot->name)
        return false;
    strcpy(slot->name, name);
    slot->most = most;
    slot->wait = wait;
    slot->ticket = atomic_fetch_add(&slot->shared->tickets, 1);
    atomic_store(&slot->wish, WISH_MADE);
    ring(slot->shared);
    return await_answer(slot);
}

void slot_leave(struct slot *slot)
{
    munmap(slot->shared, sizeof *slot->shared);
}

/* ---- in the daemon ---- */

static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory != MAP_FAILED)
        return memory;
    perror("harp: shared memory");
    abort();
}

struct slots *slots_new(void)
{
    struct slots *slots = memory_new(sizeof *slots);

    slots->shared = map(sizeof *slots->shared);
    slots->shared->daemon = getpid();
    return slots;
}

void slots_set_most(struct slots *slots, size_t most)
{
    atomic_store(&slots->shared->most, most);
    if (slots->reach < most)
        slots->reach = most;
}

void slots_await(struct slots *slots, bool admission)
{
    atomic_store(&slots->shared->awaited, admission);
}

struct slot *slots_take(struct slots *slots)
{
    struct slot *slot = NULL;

    if (slots->count)
        slot = slots->released[--slots->count];
    else if (slots->used < SLOTS)
        slot = &slots->shared->slots[slots->used++];
    if (slot) {
        memset(slot, 0, sizeof *slot);
        slot->shared = slots->shared;
    }
    return slot;
}

void slots_release(struct slots *slots, struct slot *slot)
{
    for (size_t i = 0; i < slots->reach; i++)
        if (atomic_load(&slots->shared->places[i]) == slot)
            atomic_store(&slots->shared->places[i], NULL);
    atomic_fetch_add(&slots->shared->releases, 1);
    futex_wake(&slots->shared->releases);
    slots->released = memory_grow(slots->released, (slots->count + 1)
                                                   * sizeof slot);
    slots->released[slots->count++] = slot;
}

bool slot_is_admitted(const struct slot *slot)
{
    return atomic_load(&slot->admitted);
}

struct slot_call slot_read_call(const struct slot *slot)
{
    struct slot_call call = slot->call;

    call.user[SLOT_CALL_NAME - 1] = '\0';
    call.procedure[SLOT_CALL_NAME - 1] = '\0';
    return call;
}

bool slot_has_failed(struct slot *slot)
{
    return atomic_exchange(&slot->failed, false);
}

bool slot_read_wish(struct slot *slot, struct slot_wish *wish)
{
    uint32_t made = WISH_MADE;

    if (!atomic_compare_exchange_strong(&slot->wish, &made, WISH_READ))
        return false;
    wish->ticket = slot->ticket;
    memcpy(wish->name, slot->name, sizeof wish->name);
    wish->name[sizeof wish->name - 1] = '\0';
    wish->most = slot->most;
    wish->wait = slot->wait;
    return true;
}

void slot_answer(struct slot *slot, bool granted)
{
    atomic_store(&slot->wish, granted ? WISH_GRANTED : WISH_REFUSED);
    futex_wake(&slot->wish);
}

void slots_free(struct slots *slots)
{
    if (!slots)
        return;
    munmap(slots->shared, sizeof *slots->shared);
    free(slots->released);
    free(slots);
}
