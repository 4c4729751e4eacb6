#include "client/channel.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "client/watchdog.h"
#include "net/connection.h"
#include "net/endpoint.h"
#include "net/net.h"
#include "wire/request.h"

TAILQ_HEAD(channel_users, channel_user);

struct channel {
    struct net *net;
    const struct endpoint *endpoint;
    struct patience patience;
    char *user;                 /* NULL when nobody has to know */
    char *password;
    enum channel_state state;
    struct connection *connection;      /* in GREETING and OPEN */
    struct watchdog *watchdog;
    bool owed;                  /* a reply: to a hello that asks whether it is
                                   alive, or to a user who has left */
    char *extensions;           /* the array that it named */
    struct channel_users waiting;
    void *flying;               /* users by tag: a tree of tsearch(3) */
    size_t in_flight;
    size_t prompt;              /* of these, whose reply comes at once */
    int64_t last_tag;
    struct buffer line;         /* scratch */
};

static int by_tag(const void *left, const void *right)
{
    const struct channel_user *a = left, *b = right;

    return (a->tag > b->tag) - (a->tag < b->tag);
}

static struct channel_user *find(struct channel *channel, int64_t tag)
{
    struct channel_user key = { .tag = tag };
    struct channel_user **found = tfind(&key, &channel->flying, by_tag);

    return found ? *found : NULL;
}

/* How long may it be silent now? */
static void watch(struct channel *channel)
{
    watchdog_watch(channel->watchdog,
                   channel->prompt || channel->owed ? channel->patience.reply
                   : channel->in_flight ? channel->patience.idle : 0);
}

/* ---- the end of a connection ---- */

static void drop(struct channel *channel)
{
    connection_close(channel->connection);
    channel->connection = NULL;
    channel->in_flight = channel->prompt = 0;
    channel->owed = false;
    watchdog_watch(channel->watchdog, 0);
}

/* Takes all users off first: they may come back as soon as they know. */
static void cut(struct channel *channel, const struct harp_error *error)
{
    struct channel_users waiting = TAILQ_HEAD_INITIALIZER(waiting);
    struct channel_user *user;

    channel->state = CHANNEL_CLOSED;
    TAILQ_CONCAT(&waiting, &channel->waiting, link);
    while ((user = TAILQ_FIRST(&waiting))) {
        TAILQ_REMOVE(&waiting, user, link);
        user->failed(user, error, false);
    }
    while (channel->flying) {
        user = *(struct channel_user **)channel->flying;
        tdelete(user, &channel->flying, by_tag);
        user->failed(user, error, connection_has_sent(channel->connection,
                                                      user->end));
    }
    drop(channel);
}

static void ping(struct channel *channel)
{
    struct request ping = {
        .kind = REQUEST_GET_STATUS, .tagged = true,
        .job_id = (char *)(uintptr_t)REQUEST_HELLO_ID,
    };

    channel->line.length = 0;
    request_write(&ping, &channel->line);
    connection_send(channel->connection, buffer_text(&channel->line));
    channel->owed = true;
    watch(channel);
}

static void on_silence(void *owner)
{
    struct channel *channel = owner;
    double seconds = channel->patience.reply;
    struct harp_error error;
    char *name;

    if (channel->state == CHANNEL_OPEN && !channel->prompt
        && !channel->owed) {
        ping(channel);
    } else if (!connection_is_silent(channel->connection, seconds)) {
        watchdog_watch(channel->watchdog, seconds);
    } else {
        name = endpoint_name(channel->endpoint);
        error_set(&error, COMMUNICATION_ERROR, "timeout",
                  "%s: no reply within %g s", name, seconds);
        free(name);
        cut(channel, &error);
    }
}

/* ---- greeting ---- */

static void tell_ready(struct channel *channel)
{
    struct channel_users waiting = TAILQ_HEAD_INITIALIZER(waiting);
    struct channel_user *user;

    TAILQ_CONCAT(&waiting, &channel->waiting, link);
    while ((user = TAILQ_FIRST(&waiting))) {
        TAILQ_REMOVE(&waiting, user, link);
        user->ready(user);
    }
}

static bool names(struct text extensions, const char *extension)
{
    char *quoted = memory_format("\"%s\"", extension);
    bool found = extensions.length
        && memmem(extensions.data, extensions.length, quoted, strlen(quoted));

    free(quoted);
    return found;
}

/* It was no answer to a hello, but says why there is none. */
static int refused(struct channel *channel, const struct reply *reply,
                   struct harp_error *error)
{
    char *name = endpoint_name(channel->endpoint);

    if (reply_failure(reply, error) == 0)
        error_prefix(error, "%s", name);
    if (strcmp(error->type, "too_many_connections") == 0)
        error->kind = COMMUNICATION_ERROR;
    free(name);
    return -1;
}

/* The answer to the hello: nobody has this job, but some tell more. */
static int take_greeting(struct channel *channel, struct text line,
                         struct harp_error *error)
{
    struct reply reply;

    if (reply_read(&reply, line, error) != 0)
        return -1;
    if (reply.kind != REPLY_ERROR)
        return error_set(error, COMMUNICATION_ERROR, "bad_protocol",
                         "the dispatcher answered a hello with \"%s\"",
                         reply_name(reply.kind));
    if (reply_failure_is(&reply, "auth_error")
        || reply_failure_is(&reply, "too_many_connections"))
        return refused(channel, &reply, error);
    if (names(reply.extensions, "tag")) {
        channel->state = CHANNEL_OPEN;
        free(channel->extensions);
        channel->extensions = text_copy(reply.extensions);
        connection_set_idle(channel->connection, true);
        watch(channel);
    } else {
        channel->state = CHANNEL_STOCK;
        drop(channel);
    }
    tell_ready(channel);
    return 0;
}

static void on_notify(void *owner);

static void greet(struct channel *channel)
{
    struct request hello = {
        .kind = REQUEST_GET_STATUS,
        .job_id = (char *)(uintptr_t)REQUEST_HELLO_ID,
        .user = channel->user, .password = channel->password,
    };

    channel->state = CHANNEL_GREETING;
    channel->line.length = 0;
    request_write(&hello, &channel->line);
    channel->connection = connection_open(channel->net, channel->endpoint,
                                          on_notify, channel);
    connection_send(channel->connection, buffer_text(&channel->line));
    if (channel->password)
        buffer_wipe(&channel->line);
    watchdog_watch(channel->watchdog, channel->patience.reply);
}

/* ---- replies ---- */

static void take_off(struct channel *channel, struct channel_user *user)
{
    tdelete(user, &channel->flying, by_tag);
    channel->in_flight--;
    channel->prompt -= !user->waits;
    if (channel->in_flight == 0)
        connection_set_idle(channel->connection, true);
    if (!channel->owed && (channel->in_flight == 0
                           || (channel->prompt == 0 && !user->waits)))
        watch(channel);
}

/* A reply that nobody wants any more is for one who has left. */
static int take_reply(struct channel *channel, struct text line,
                      struct harp_error *error)
{
    struct channel_user *user;
    struct reply reply;

    if (reply_read(&reply, line, error) != 0)
        return -1;
    if (!reply.tagged)
        return error_set(error, COMMUNICATION_ERROR, "bad_protocol",
                         "the dispatcher sent a reply without a tag: %.*s",
                         line.length > 80 ? 80 : (int)line.length, line.data);
    if (channel->owed) {
        channel->owed = false;
        watch(channel);
    }
    user = find(channel, reply.tag);
    if (!user)
        return 0;
    take_off(channel, user);
    user->replied(user, line);
    return 0;
}

static int take_line(struct channel *channel, struct text line,
                     struct harp_error *error)
{
    watchdog_calm(channel->watchdog);
    return channel->state == CHANNEL_GREETING
        ? take_greeting(channel, line, error)
        : take_reply(channel, line, error);
}

static void on_notify(void *owner)
{
    struct channel *channel = owner;
    struct harp_error error;
    struct text line;
    int taken = 1;

    while (channel->connection && taken == 1) {
        taken = connection_take(channel->connection, &line, &error);
        if (taken == 1 && take_line(channel, line, &error) != 0)
            taken = -1;
    }
    if (taken == -1)
        cut(channel, &error);
}

/* ---- use ---- */

struct channel *channel_new(struct net *net, const struct endpoint *endpoint,
                            struct patience patience)
{
    struct channel *channel = memory_new(sizeof *channel);

    channel->net = net;
    channel->endpoint = endpoint;
    channel->patience = patience;
    channel->watchdog = watchdog_new(net_loop(net), on_silence, channel);
    TAILQ_INIT(&channel->waiting);
    return channel;
}

void channel_login(struct channel *channel, char *user, char *password)
{
    channel->user = user;
    channel->password = password;
}

void channel_free(struct channel *channel)
{
    connection_close(channel->connection);
    watchdog_free(channel->watchdog);
    free(channel->extensions);
    buffer_free(&channel->line);
    free(channel);
}

enum channel_state channel_state(const struct channel *channel)
{
    return channel->state;
}

void channel_look(struct channel *channel)
{
    if (channel->state != CHANNEL_OPEN)
        return;
    connection_look(channel->connection);
    on_notify(channel);
}

bool channel_has(const struct channel *channel, const char *extension)
{
    return channel->state == CHANNEL_OPEN
        && names(text_of(channel->extensions), extension);
}

bool channel_is_stock(const struct channel *channel)
{
    return channel->state == CHANNEL_STOCK;
}

void channel_wait(struct channel *channel, struct channel_user *user)
{
    TAILQ_INSERT_TAIL(&channel->waiting, user, link);
    if (channel->state == CHANNEL_CLOSED)
        greet(channel);
}

void channel_send(struct channel *channel, struct channel_user *user,
                  struct text line)
{
    user->tag = ++channel->last_tag;
    if (!tsearch(user, &channel->flying, by_tag))
        abort();
    channel->line.length = 0;
    reply_add_tagged(&channel->line, line, user->tag);
    if (channel->in_flight++ == 0)
        connection_set_idle(channel->connection, false);
    connection_send(channel->connection, buffer_text(&channel->line));
    user->end = connection_position(channel->connection);
    channel->prompt += !user->waits;
    if (!channel->owed && (user->waits ? channel->in_flight == 1
                                       : channel->prompt == 1))
        watch(channel);
}

/* The dispatcher is told only of what it would else work on for long. */
void channel_leave(struct channel *channel, struct channel_user *user)
{
    struct request forget = { .kind = REQUEST_FORGET, .forget = user->tag };

    if (user->tag == 0) {
        TAILQ_REMOVE(&channel->waiting, user, link);
        return;
    }
    take_off(channel, user);
    if (!user->waits) {
        if (!channel->owed) {
            channel->owed = true;
            watch(channel);
        }
        return;
    }
    channel->line.length = 0;
    request_write(&forget, &channel->line);
    connection_send(channel->connection, buffer_text(&channel->line));
}
