#include "dispatcher/turn.h"

#include "dispatcher/parts.h"
#include "dispatcher/session.h"
#include "dispatcher/store.h"

static void no_wait(uv_idle_t *idle)
{
    (void)idle;
}

/* In this order; two handles of their own would have none to rely on. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct parts *parts = prepare->data;

    store_flush(parts->store);
    session_flush_all(parts);
    if (store_is_busy(parts->store))
        uv_idle_start(&parts->more, no_wait);
    else
        uv_idle_stop(&parts->more);
}

void turn_start(struct parts *parts)
{
    uv_prepare_init(&parts->loop, &parts->turn);
    uv_idle_init(&parts->loop, &parts->more);
    parts->turn.data = parts;
    uv_prepare_start(&parts->turn, on_prepare);
    uv_unref((uv_handle_t *)&parts->turn);
}

void turn_end(struct parts *parts)
{
    while (parts->store && store_is_busy(parts->store)) {
        store_flush(parts->store);
        session_flush_all(parts);
    }
    uv_close((uv_handle_t *)&parts->turn, NULL);
    uv_close((uv_handle_t *)&parts->more, NULL);
}
