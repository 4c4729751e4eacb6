#include "dispatcher/login.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/users.h"
#include "wire/json.h"

#define DELAY 1000              /* ms, before a failure is told */

struct login {
    uv_work_t work;
    uv_timer_t delay;
    bool working;
    struct users_trial *trial;
    bool passed;
    char *who;                  /* for the log */
    void (*done)(void *owner, bool passed);     /* NULL: abandoned */
    void *owner;
};

static void on_closed(uv_handle_t *handle)
{
    struct login *login = handle->data;

    free(login->who);
    free(login);
}

static void end(struct login *login)
{
    uv_close((uv_handle_t *)&login->delay, on_closed);
}

static void tell(struct login *login)
{
    login->done(login->owner, login->passed);
    end(login);
}

static void on_delay(uv_timer_t *delay)
{
    tell(delay->data);
}

static void fail(struct login *login)
{
    log_warn("authentication failed %s", login->who);
    uv_timer_start(&login->delay, on_delay, DELAY, 0);
}

/* In another thread. */
static void check(uv_work_t *work)
{
    struct login *login = work->data;

    login->passed = users_trial_passes(login->trial);
}

static void on_checked(uv_work_t *work, int status)
{
    struct login *login = work->data;

    (void)status;
    login->working = false;
    users_trial_free(login->trial);
    if (!login->done)
        end(login);
    else if (login->passed)
        tell(login);
    else
        fail(login);
}

static void refresh(struct users *users)
{
    struct harp_error error;

    if (users_changed(users) && users_refresh(users, &error) != 0)
        log_warn("%s; users stay as they were", error.message);
}

struct login *login_start(uv_loop_t *loop, struct users *users,
                          const char *user, const char *password,
                          const char *from,
                          void (*done)(void *owner, bool passed),
                          void *owner)
{
    struct login *login = memory_new(sizeof *login);
    char name[JSON_EXCERPT];

    login->done = done;
    login->owner = owner;
    login->who = user
        ? memory_format("from=%s user=\"%s\"", from,
                        json_excerpt(name, text_of(user)))
        : memory_format("from=%s: no user was named", from);
    uv_timer_init(loop, &login->delay);
    login->delay.data = login->work.data = login;
    if (!user) {
        fail(login);
        return login;
    }
    refresh(users);
    login->trial = users_try(users, user, password);
    login->working = true;
    uv_queue_work(loop, &login->work, check, on_checked);
    return login;
}

void login_abandon(struct login *login)
{
    if (!login)
        return;
    login->done = NULL;
    if (login->working)
        uv_cancel((uv_req_t *)&login->work);    /* if it has not begun */
    else
        end(login);
}
