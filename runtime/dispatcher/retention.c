#include "dispatcher/retention.h"

#include <math.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/database.h"
#include "dispatcher/parts.h"
#include "dispatcher/readers.h"
#include "dispatcher/store.h"
#include "host/config.h"

#define PAUSE_TIME 5            /* ms between two steps */
#define LOOK_TIME 250           /* ms between two looks, with nothing to do */
#define TROUBLE_TIME 10000      /* ms after one that failed */

/* A request to remove something now. */
struct purge {
    STAILQ_ENTRY(purge) link;
    double before;
    int64_t count;              /* removed so far */
    struct store_completion completion;
};

struct retention {
    struct parts *parts;
    uv_timer_t timer;
    bool stepping;              /* the store is at it */
    struct store_place place;   /* where the next step goes on */
    STAILQ_HEAD(purges, purge) purges;
    struct purge *purge;        /* the first one, once it is begun */
};

/* ---- steps ---- */

static void on_timer(uv_timer_t *timer);

static void look_in(struct retention *retention, uint64_t milliseconds)
{
    uv_timer_start(&retention->timer, on_timer, milliseconds, 0);
}

static bool has_limits(const struct retention *retention)
{
    const struct retention_limits *keep = &retention->parts->settings.keep;

    return keep->keep_for > 0 || keep->keep_bytes > 0;
}

static void end_purge(struct retention *retention, struct purge *purge,
                      const struct harp_error *error)
{
    struct store_answer answer = { .error = error, .count = purge->count };

    STAILQ_REMOVE_HEAD(&retention->purges, link);
    if (purge->count > 0)
        log_info("%lld jobs removed, as was asked for",
                 (long long)purge->count);
    purge->completion.done(purge->completion.owner, &answer);
    free(purge);
}

/* All that there was to do is done, or cannot be. */
static void finish(struct retention *retention,
                   const struct harp_error *error)
{
    struct purge *purge = retention->purge;

    retention->purge = NULL;
    retention->place = store_oldest;
    if (has_limits(retention))
        look_in(retention, error ? TROUBLE_TIME : LOOK_TIME);
    if (purge)
        end_purge(retention, purge, error);
}

static void on_step(void *owner, const struct store_answer *answer)
{
    struct retention *retention = owner;

    retention->stepping = false;
    if (retention->purge && !answer->error)
        retention->purge->count += answer->count;
    retention->place = answer->place;
    if (answer->error || answer->complete)
        finish(retention, answer->error);
    else
        look_in(retention, PAUSE_TIME);
    if (!STAILQ_EMPTY(&retention->purges))
        look_in(retention, PAUSE_TIME);
}

static bool is_read(void *owner, const char *id)
{
    return readers_has(owner, id);
}

static struct store_excess limits(const struct retention *retention)
{
    const struct retention_limits *keep = &retention->parts->settings.keep;

    return (struct store_excess){
        .before = keep->keep_for > 0 ? database_now() - keep->keep_for
                                     : -INFINITY,
        .keep_bytes = (int64_t)keep->keep_bytes,
        .is_spared = is_read, .owner = retention->parts
    };
}

/* What was asked for comes first, and starts at the oldest job. */
static void on_timer(uv_timer_t *timer)
{
    struct retention *retention = timer->data;
    struct store_excess excess = limits(retention);

    if (!retention->purge) {
        retention->purge = STAILQ_FIRST(&retention->purges);
        if (retention->purge)
            retention->place = store_oldest;
    }
    if (retention->purge) {
        excess.before = retention->purge->before;
        excess.keep_bytes = 0;
    }
    retention->stepping = true;
    store_prune(retention->parts->store, &excess, retention->place,
                (struct store_completion){ on_step, retention });
}

void retention_prune(struct parts *parts, double seconds,
                     struct store_completion completion)
{
    struct retention *retention = parts->retention;
    struct purge *purge = memory_new(sizeof *purge);

    purge->before = database_now() - seconds;
    purge->completion = completion;
    STAILQ_INSERT_TAIL(&retention->purges, purge, link);
    if (!retention->stepping)
        look_in(retention, 0);
}

/* ---- the start and the end ---- */

void retention_read(struct retention_limits *limits, struct config *config)
{
    limits->keep_for = config_between(config, "keep_for", 0, 9e18, 0);
    limits->keep_bytes = config_between(config, "keep_bytes", 0, 9e18, 0);
}

struct retention *retention_new(struct parts *parts)
{
    struct retention *retention = memory_new(sizeof *retention);

    retention->parts = parts;
    retention->place = store_oldest;
    STAILQ_INIT(&retention->purges);
    uv_timer_init(&parts->loop, &retention->timer);
    retention->timer.data = retention;
    return retention;
}

void retention_start(struct retention *retention)
{
    if (!retention->stepping)
        look_in(retention, 0);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void retention_free(struct retention *retention)
{
    struct harp_error error;

    if (!retention)
        return;
    error_set(&error, REMOTE_ERROR, "shutdown", "the dispatcher was stopped");
    while (!STAILQ_EMPTY(&retention->purges))
        end_purge(retention, STAILQ_FIRST(&retention->purges), &error);
    uv_close((uv_handle_t *)&retention->timer, on_closed);
}
