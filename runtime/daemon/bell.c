#include "daemon/bell.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LAST_WORDS 3            /* s for them, when a thread has aborted */

static struct {
    int event;
    atomic_int signals;
    void (*_Atomic interrupt)(void);    /* NULL: SIGTERM rings */
} bell;

void bell_ring(void)
{
    static const uint64_t one = 1;
    ssize_t written = write(bell.event, &one, sizeof one);

    (void)written;              /* it fails when it rings already */
}

void bell_hush(void)
{
    uint64_t rung;
    ssize_t got = read(bell.event, &rung, sizeof rung);

    (void)got;
}

int bell_signals(void)
{
    return atomic_load(&bell.signals);
}

void bell_heed(int signals)
{
    atomic_fetch_and(&bell.signals, ~signals);
}

void bell_redirect(void (*interrupt)(void))
{
    atomic_store(&bell.interrupt, interrupt);
}

static void note(int number)
{
    atomic_fetch_or(&bell.signals, BELL_BIT(number));
    bell_ring();
}

static void on_signal(int number)
{
    void (*interrupt)(void) = atomic_load(&bell.interrupt);
    int before = errno;

    if (number == SIGTERM && interrupt)
        interrupt();
    else
        note(number);
    errno = before;
}

/* This thread cannot go on; if it is the guard's there is nothing to say. */
static void on_abort(int number)
{
    alarm(LAST_WORDS);
    note(number);
    for (;;)
        pause();
}

int bell_open(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    bell.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell.event < 0)
        return -1;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGXCPU, &action, NULL);
    action.sa_handler = on_abort;
    sigaction(SIGABRT, &action, NULL);
    return bell.event;
}
