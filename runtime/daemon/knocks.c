#include "daemon/knocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "daemon/hello.h"
#include "daemon/settings.h"

#define OWN_DESCRIPTORS 64      /* of the loop, listeners, the Lua state, … */
#define TICK 100                /* ms between looks at the time */

struct entry {
    TAILQ_ENTRY(entry) link;
    struct knock knock;
    struct knocks *knocks;
    uv_poll_t poll;
    bool polled;                /* it has to be closed */
    bool marked;                /* it has a low-water mark */
};

TAILQ_HEAD(entries, entry);

struct knocks {
    uv_loop_t *loop;
    struct origins *origins;
    const struct daemon_settings *settings;
    const struct knocks_user *user;
    void *owner;
    size_t most;
    size_t count;
    struct entries unheard;     /* by the time that they came, as are… */
    struct entries waiting;     /* …these, whose hello is there */
    uv_timer_t tick;            /* while there are any */
};

/* ---- the lists ---- */

static struct entries *list_of(const struct entry *entry)
{
    return entry->knock.waits ? &entry->knocks->waiting
                              : &entry->knocks->unheard;
}

static void insert(struct entry *entry)
{
    struct entries *list = list_of(entry);
    struct entry *before = TAILQ_LAST(list, entries);

    while (before && before->knock.arrived > entry->knock.arrived)
        before = TAILQ_PREV(before, entries, link);
    if (before)
        TAILQ_INSERT_AFTER(list, before, entry, link);
    else
        TAILQ_INSERT_HEAD(list, entry, link);
}

static void tell_waiting(struct knocks *knocks)
{
    knocks->user->waiting(knocks->owner, !TAILQ_EMPTY(&knocks->waiting));
}

static void free_entry(uv_handle_t *handle)
{
    free(handle->data);
}

/* The one place where an entry ends. */
static void end(struct entry *entry)
{
    struct knocks *knocks = entry->knocks;

    TAILQ_REMOVE(list_of(entry), entry, link);
    if (entry->knock.waits)
        tell_waiting(knocks);
    if (--knocks->count == 0)
        uv_timer_stop(&knocks->tick);
    origin_leave(entry->knock.origin);
    if (entry->polled)
        uv_close((uv_handle_t *)&entry->poll, free_entry);
    close(entry->knock.socket);
    if (!entry->polled)
        free(entry);
}

static void turn_away(struct entry *entry, const char *reason)
{
    log_warning("no_call", "from", entry->knock.address, "reason", reason,
                NULL);
    end(entry);
}

/* ---- what came ---- */

/* Unread bytes would reset the connection, and the alert be lost. */
static void read_off(int socket)
{
    char ignored[4096];

    while (recv(socket, ignored, sizeof ignored, 0) == sizeof ignored)
        continue;
}

static void refuse_old(struct entry *entry)
{
    /* a record of TLS 1.0: alert, fatal, protocol_version */
    static const char alert[] = { 21, 3, 1, 0, 2, 2, 70 };

    read_off(entry->knock.socket);
    send(entry->knock.socket, alert, sizeof alert, MSG_NOSIGNAL);
    turn_away(entry, "it speaks no TLS newer than 1.1, which is served only "
              "with tls = \"legacy\"");
}

static void refuse_foreign(struct entry *entry)
{
    read_off(entry->knock.socket);
    turn_away(entry, "it does not speak TLS");
}

static void on_event(uv_poll_t *poll, int status, int events);

static void watch(struct entry *entry, int events)
{
    if (!entry->polled) {
        uv_poll_init(entry->knocks->loop, &entry->poll, entry->knock.socket);
        entry->poll.data = entry;
    }
    entry->polled = true;
    uv_poll_start(&entry->poll, events | UV_DISCONNECT, on_event);
}

/* The loop is not to wake for less than that. */
static void set_mark(struct entry *entry, size_t need)
{
    int mark = (int)need;

    setsockopt(entry->knock.socket, SOL_SOCKET, SO_RCVLOWAT, &mark,
               sizeof mark);
    entry->marked = true;
}

static void take_or_wait(struct entry *entry)
{
    struct knocks *knocks = entry->knocks;

    if (knocks->user->take(knocks->owner, &entry->knock)) {
        end(entry);
    } else if (!entry->knock.waits) {
        TAILQ_REMOVE(&knocks->unheard, entry, link);
        entry->knock.waits = true;
        insert(entry);
        tell_waiting(knocks);
        watch(entry, 0);
    }
}

static void offer(struct entry *entry)
{
    if (entry->marked)
        set_mark(entry, 1);
    take_or_wait(entry);
}

/*
 * How many bytes are there; the first of them go to `head`. Counted before:
 * of those that come in between, `head` might have none.
 */
static size_t peek(int socket, unsigned char head[HELLO_HEAD])
{
    int length = 0;

    if (ioctl(socket, FIONREAD, &length) != 0
        || recv(socket, head, HELLO_HEAD, MSG_PEEK) <= 0)
        return 0;
    return (size_t)length;
}

static void look(struct entry *entry)
{
    unsigned char head[HELLO_HEAD];
    size_t length = peek(entry->knock.socket, head), need = 0;

    switch (hello_judge(head, length, &need)) {
    case HELLO_PART:
        if (length)
            set_mark(entry, need);
        watch(entry, UV_READABLE);
        break;
    case HELLO_WHOLE:
        offer(entry);
        break;
    case HELLO_OLD:
        if (entry->knocks->settings->legacy)
            offer(entry);
        else
            refuse_old(entry);
        break;
    case HELLO_FOREIGN:
        refuse_foreign(entry);
        break;
    }
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct entry *entry = poll->data;

    if (status != 0 || events & UV_DISCONNECT) {
        log_debug("no_call", "from", entry->knock.address, "reason",
                  "the caller hung up", NULL);
        end(entry);
    } else {
        look(entry);
    }
}

/* ---- time ---- */

static void end_late(struct knocks *knocks, struct entries *list,
                     const char *reason)
{
    uint64_t patience = (uint64_t)(knocks->settings->context.request_timeout
                                   * 1e3);
    struct entry *entry;

    while ((entry = TAILQ_FIRST(list))
           && uv_now(knocks->loop) - entry->knock.arrived > patience)
        turn_away(entry, reason);
}

static void on_tick(uv_timer_t *tick)
{
    struct knocks *knocks = tick->data;

    end_late(knocks, &knocks->unheard, "no TLS hello came in time");
    end_late(knocks, &knocks->waiting, "too many others have not said yet "
             "who they are");
    knocks_retry(knocks);
}

/* ---- all of them ---- */

/* As many as descriptors allow: processes take none in this one. */
static size_t count_descriptors(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 2 * OWN_DESCRIPTORS
         ? limit.rlim_cur - OWN_DESCRIPTORS : OWN_DESCRIPTORS;
}

struct knocks *knocks_new(uv_loop_t *loop, struct origins *origins,
                          const struct daemon_settings *settings,
                          const struct knocks_user *user, void *owner)
{
    struct knocks *knocks = memory_new(sizeof *knocks);

    *knocks = (struct knocks){
        .loop = loop, .origins = origins, .settings = settings,
        .user = user, .owner = owner, .most = count_descriptors(),
    };
    TAILQ_INIT(&knocks->unheard);
    TAILQ_INIT(&knocks->waiting);
    uv_timer_init(loop, &knocks->tick);
    knocks->tick.data = knocks;
    return knocks;
}

bool knocks_make_room(struct knocks *knocks)
{
    struct entry *oldest = TAILQ_FIRST(&knocks->unheard);

    if (!oldest)
        oldest = TAILQ_FIRST(&knocks->waiting);
    if (oldest)
        turn_away(oldest, "too many connections, and it was the oldest");
    return oldest != NULL;
}

void knocks_add(struct knocks *knocks, int socket,
                const struct sockaddr_storage *address)
{
    struct entry *entry = memory_new(sizeof *entry);

    if (knocks->count >= knocks->most)
        knocks_make_room(knocks);
    if (knocks->count++ == 0)
        uv_timer_start(&knocks->tick, on_tick, TICK, TICK);
    entry->knocks = knocks;
    entry->knock.socket = socket;
    entry->knock.arrived = uv_now(knocks->loop);
    entry->knock.origin = origins_enter(knocks->origins, socket, address,
                                        entry->knock.address);
    insert(entry);
    if (address->ss_family == AF_UNIX)  /* has no low-water mark */
        take_or_wait(entry);
    else
        look(entry);
}

void knocks_retry(struct knocks *knocks)
{
    struct entry *entry, *next;

    for (entry = TAILQ_LAST(&knocks->waiting, entries); entry; entry = next) {
        next = TAILQ_PREV(entry, entries, link);
        take_or_wait(entry);
    }
}

void knocks_close(struct knocks *knocks)
{
    struct entry *entry;

    while ((entry = TAILQ_FIRST(&knocks->unheard))
           || (entry = TAILQ_FIRST(&knocks->waiting)))
        end(entry);
    uv_close((uv_handle_t *)&knocks->tick, NULL);
}

void knocks_free(struct knocks *knocks)
{
    free(knocks);
}
