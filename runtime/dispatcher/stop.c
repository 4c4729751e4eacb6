#include "dispatcher/stop.h"

#include "dispatcher/job.h"
#include "dispatcher/parts.h"
#include "dispatcher/session.h"
#include "dispatcher/store.h"

#define LOOK_TIME 5             /* ms */
#define ENDING_TIME 2000        /* ms for the disk, and for clients to read */

static bool is_late(const struct stop *stop)
{
    return uv_now(&stop->parts->loop) >= stop->deadline;
}

/* Jobs run until their outcome is on disk. */
static bool is_all_told(const struct parts *parts)
{
    return parts->running == 0 && !store_is_busy(parts->store)
        && session_all_are_told(parts);
}

static void end_all(struct stop *stop)
{
    stop->state = ENDING_ALL;
    stop->deadline = uv_now(&stop->parts->loop) + ENDING_TIME;
    stop->ending(stop->owner);
    job_stop_all(stop->parts);
}

static void on_look(uv_timer_t *timer)
{
    struct stop *stop = timer->data;

    if (stop->state == GRACE_LASTS
        && (is_late(stop) || stop->parts->running == 0))
        end_all(stop);
    if (stop->state == ENDING_ALL
        && (is_late(stop) || is_all_told(stop->parts))) {
        uv_close((uv_handle_t *)timer, NULL);
        uv_stop(&stop->parts->loop);
    }
}

void stop_begin(struct stop *stop, struct parts *parts, double grace,
                void (*ending)(void *owner), void *owner)
{
    stop->parts = parts;
    stop->state = GRACE_LASTS;
    stop->deadline = uv_now(&parts->loop) + (uint64_t)(grace * 1e3);
    stop->ending = ending;
    stop->owner = owner;
    stop->look.data = stop;
    parts->stopping = true;
    uv_timer_init(&parts->loop, &stop->look);
    uv_timer_start(&stop->look, on_look, 0, LOOK_TIME);
}

void stop_hurry(struct stop *stop)
{
    stop->deadline = uv_now(&stop->parts->loop);
}
