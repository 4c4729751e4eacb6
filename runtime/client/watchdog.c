#include "client/watchdog.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

#include "base/memory.h"

#define SECOND_LOOK 100         /* ms */

struct watchdog {
    uv_timer_t timer;
    uint64_t time;              /* ms of silence that are allowed */
    bool calm;                  /* there was news since the timer started */
    bool suspicious;            /* the time is over: a second look */
    void (*bark)(void *owner);
    void *owner;
};

static void on_time(uv_timer_t *timer)
{
    struct watchdog *watchdog = timer->data;

    if (watchdog->calm) {
        watchdog->calm = watchdog->suspicious = false;
        uv_timer_start(timer, on_time, watchdog->time, 0);
    } else if (!watchdog->suspicious) {
        watchdog->suspicious = true;
        uv_timer_start(timer, on_time, SECOND_LOOK, 0);
    } else {
        watchdog->bark(watchdog->owner);
    }
}

struct watchdog *watchdog_new(struct uv_loop_s *loop,
                              void (*bark)(void *owner), void *owner)
{
    struct watchdog *watchdog = memory_new(sizeof *watchdog);

    watchdog->bark = bark;
    watchdog->owner = owner;
    uv_timer_init(loop, &watchdog->timer);
    watchdog->timer.data = watchdog;
    uv_unref((uv_handle_t *)&watchdog->timer);
    return watchdog;
}

void watchdog_watch(struct watchdog *watchdog, double seconds)
{
    watchdog->calm = watchdog->suspicious = false;
    if (seconds <= 0) {
        uv_timer_stop(&watchdog->timer);
        return;
    }
    watchdog->time = (uint64_t)ceil(seconds * 1e3);
    uv_update_time(watchdog->timer.loop);
    uv_timer_start(&watchdog->timer, on_time, watchdog->time, 0);
}

void watchdog_calm(struct watchdog *watchdog)
{
    watchdog->calm = true;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void watchdog_free(struct watchdog *watchdog)
{
    if (watchdog)
        uv_close((uv_handle_t *)&watchdog->timer, on_closed);
}
