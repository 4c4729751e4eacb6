#include "dispatcher/control.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>
#include <uv.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"
#include "dispatcher/doors.h"
#include "dispatcher/hosts.h"
#include "dispatcher/job.h"
#include "dispatcher/parts.h"
#include "dispatcher/queue.h"
#include "dispatcher/retention.h"
#include "dispatcher/session.h"
#include "dispatcher/store.h"
#include "net/endpoint.h"
#include "net/listen.h"
#include "net/transport.h"
#include "wire/json.h"
#include "wire/line.h"
#include "wire/reply.h"

#define COMMAND_LIMIT (1 << 16) /* bytes */
#define MOST_OPERATORS 16       /* connections */

struct control {
    struct parts *parts;
    const struct control_actions *actions;
    void *owner;
    char *name;
    uv_pipe_t listener;
    uint64_t start;             /* ms, as the loop counts */
    size_t count;
    LIST_HEAD(operators, operator) operators;
};

/* A connection. What it asks is answered in order. */
struct operator {
    LIST_ENTRY(operator) link;
    struct control *control;
    struct transport transport;
    struct line_reader input;
    struct buffer output;
    int64_t cancelled;          /* jobs, while their end is on its way… */
    bool waits;                 /* …to the disk, or something else is */
    bool closed;
};

/* ---- the end of a connection ---- */

static void free_if_done(struct operator *operator)
{
    if (!operator->closed || operator->waits)
        return;
    line_free(&operator->input);
    buffer_free(&operator->output);
    free(operator);
}

static void on_closed(void *owner)
{
    struct operator *operator = owner;

    operator->closed = true;
    free_if_done(operator);
}

static void hang_up(struct operator *operator)
{
    if (transport_is_closing(&operator->transport))
        return;
    LIST_REMOVE(operator, link);
    operator->control->count--;
    transport_close(&operator->transport);
}

static void send_reply(struct operator *operator)
{
    if (!transport_is_closing(&operator->transport)
        && transport_send(&operator->transport, &operator->output) != 0)
        hang_up(operator);
}

static void send_error(struct operator *operator,
                       const struct harp_error *error)
{
    reply_error(&operator->output, error->type, error->message);
    send_reply(operator);
}

/* ---- status ---- */

struct tally {
    int64_t queued;
    int64_t running;
    int64_t ending;
};

static void count_job(const void *node, VISIT visit, void *context)
{
    const struct job *job = *(struct job *const *)node;
    struct tally *tally = context;

    if (visit != postorder && visit != leaf)
        return;
    tally->queued += job->state == QUEUED;
    tally->running += job->state == RUNNING;
    tally->ending += job->state == ENDING;
}

static void add_count(struct buffer *output, const char *name, uint64_t count)
{
    bool first = output->data[output->length - 1] == '{';

    buffer_printf(output, "%s\"%s\":%llu", first ? "" : ",", name,
                  (unsigned long long)count);
}

static void add_seconds(struct buffer *output, const char *name,
                        double seconds)
{
    char text[JSON_REAL_SIZE];

    buffer_printf(output, ",\"%s\":%s", name, json_print_real(text, seconds));
}

static void add_jobs(struct buffer *output, const struct parts *parts)
{
    struct tally tally = { 0 };

    twalk_r(parts->jobs, count_job, &tally);
    buffer_add_string(output, ",\"jobs\":{");
    add_count(output, "queued", (uint64_t)tally.queued);
    add_count(output, "running", (uint64_t)tally.running);
    add_count(output, "ending", (uint64_t)tally.ending);
    buffer_add_string(output, "}");
}

static void add_queue(void *owner, const char *name, int64_t concurrency,
                      int64_t running, int64_t waiting)
{
    struct buffer *output = owner;

    if (output->data[output->length - 1] != '[')
        buffer_add_string(output, ",");
    buffer_printf(output, "{\"name\":%s", name);
    add_count(output, "concurrency", (uint64_t)concurrency);
    add_count(output, "running", (uint64_t)running);
    add_count(output, "waiting", (uint64_t)waiting);
    buffer_add_string(output, "}");
}

static void add_queues(struct buffer *output, const struct parts *parts)
{
    buffer_add_string(output, ",\"queues\":[");
    queue_each(parts, add_queue, output);
    buffer_add_string(output, "]");
}

static void add_listeners(struct buffer *output, const struct doors *doors)
{
    const struct door *door;

    buffer_add_string(output, ",\"listen\":[");
    TAILQ_FOREACH(door, doors, link) {
        json_write_message(output, door->name);
        if (TAILQ_NEXT(door, link))
            buffer_add_string(output, ",");
    }
    buffer_add_string(output, "]");
}

static void add_settings(struct buffer *output, const struct parts *parts)
{
    const struct limits *limits = &parts->settings.limits;

    buffer_add_string(output, ",\"settings\":{");
    add_count(output, "max_running", parts->settings.most_running);
    add_seconds(output, "timeout", parts->settings.timeout);
    add_seconds(output, "max_exec_time", parts->settings.max_exec_time);
    buffer_add_string(output, ",\"limits\":{");
    add_count(output, "request", limits->request);
    add_count(output, "nesting", limits->nesting);
    add_count(output, "connections",
              limits->connections < parts->most_clients
              ? limits->connections : parts->most_clients);
    add_count(output, "in_flight", limits->in_flight);
    add_seconds(output, "idle", (double)limits->idle / 1e3);
    buffer_add_string(output, "}}");
}

static void status(struct operator *operator, struct text value)
{
    struct control *control = operator->control;
    struct parts *parts = control->parts;
    struct buffer *output = &operator->output;

    (void)value;
    buffer_add_string(output, "{\"status\":{");
    add_count(output, "pid", (uint64_t)getpid());
    buffer_printf(output, ",\"version\":\"%s\"", VERSION);
    add_seconds(output, "uptime",
                (double)(uv_now(&parts->loop) - control->start) / 1e3);
    add_count(output, "connections", parts->clients);
    add_count(output, "exchanges", session_count_exchanges(parts));
    add_jobs(output, parts);
    add_queues(output, parts);
    buffer_add_string(output, ",\"database\":{");
    add_count(output, "size",
              (uint64_t)control->actions->database_size(control->owner));
    buffer_add_string(output, "}");
    add_listeners(output, parts->doors);
    add_settings(output, parts);
    buffer_add_string(output, "}}\n");
    send_reply(operator);
}

/* ---- cancelling a queue ---- */

struct cancelling {
    const char *queue;
    struct text outcome;
    int64_t count;
};

/* A job that has its outcome leaves later: the tree stays as it is. */
static void cancel_job(const void *node, VISIT visit, void *context)
{
    struct job *job = *(struct job *const *)node;
    struct cancelling *cancelling = context;

    if ((visit != postorder && visit != leaf) || job->state == ENDING
        || !job->queue || !queue_is(job->queue, cancelling->queue))
        return;
    job_end(job, cancelling->outcome);
    cancelling->count++;
}

static void take_lines(struct operator *operator);

/* The store is done: false when the operator has hung up meanwhile. */
static bool resume(struct operator *operator)
{
    operator->waits = false;
    if (!operator->closed)
        return true;
    free_if_done(operator);
    return false;
}

static void answer_count(struct operator *operator, const char *what,
                         int64_t count, const struct harp_error *error)
{
    if (error) {
        send_error(operator, error);
    } else {
        buffer_printf(&operator->output, "{\"%s\":%lld}\n", what,
                      (long long)count);
        send_reply(operator);
    }
    take_lines(operator);
}

static void on_cancelled(void *owner, const struct store_answer *answer)
{
    struct operator *operator = owner;

    if (resume(operator))
        answer_count(operator, "cancelled", operator->cancelled,
                     answer->error);
}

static void cancel_queue(struct operator *operator, struct text value)
{
    struct parts *parts = operator->control->parts;
    struct buffer name = { 0 }, outcome = { 0 };
    struct cancelling cancelling = { 0 };
    struct harp_error error;

    if (json_canonical(&name, value, &error) != 0) {
        buffer_free(&name);
        send_error(operator, &error);
        return;
    }
    buffer_add(&name, "", 1);
    outcome_cancelled(&outcome);
    cancelling.queue = name.data;
    cancelling.outcome = buffer_text(&outcome);
    twalk_r(parts->jobs, cancel_job, &cancelling);
    log_info("%lld jobs of the queue %s were cancelled",
             (long long)cancelling.count, name.data);
    buffer_free(&name);
    buffer_free(&outcome);
    operator->cancelled = cancelling.count;
    operator->waits = true;
    store_sync(parts->store,
               (struct store_completion){ on_cancelled, operator });
}

/* ---- what the dispatcher does ---- */

static void reload(struct operator *operator, struct text value)
{
    struct control *control = operator->control;
    struct harp_error error;
    int64_t changed = control->actions->reload(control->owner, &error);

    (void)value;
    if (changed < 0) {
        send_error(operator, &error);
        return;
    }
    buffer_printf(&operator->output,
                  "{\"reloaded\":true,\"restart_needed\":%s}\n",
                  changed ? "true" : "false");
    send_reply(operator);
}

static void refresh_hosts(struct operator *operator, struct text value)
{
    bool begun = hosts_refresh_now(operator->control->parts);

    (void)value;
    buffer_printf(&operator->output, "{\"refreshing\":%s}\n",
                  begun ? "true" : "false");
    send_reply(operator);
}

static void on_pruned(void *owner, const struct store_answer *answer)
{
    if (resume(owner))
        answer_count(owner, "pruned", answer->count, answer->error);
}

static void prune(struct operator *operator, struct text value)
{
    double seconds = json_real(value);
    struct harp_error error;

    if (!(seconds >= 0 && seconds < 1e12)) {
        error_set(&error, REMOTE_ERROR, "invalid_request",
                  "\"prune\" is not a number of seconds");
        send_error(operator, &error);
        return;
    }
    operator->waits = true;
    retention_prune(operator->control->parts, seconds,
                    (struct store_completion){ on_pruned, operator });
}

static void stop(struct operator *operator, struct text value)
{
    struct control *control = operator->control;

    (void)value;
    buffer_add_string(&operator->output, "{\"stopping\":true}\n");
    send_reply(operator);
    control->actions->stop(control->owner);
}

/* ---- commands ---- */

static const struct {
    const char *name;
    unsigned allowed;           /* true, when it is a boolean */
    void (*serve)(struct operator *operator, struct text value);
} commands[] = {
    { "status", JSON_BOOLEAN, status },
    { "cancel_queue", JSON_OBJECT, cancel_queue },
    { "refresh_hosts", JSON_BOOLEAN, refresh_hosts },
    { "reload", JSON_BOOLEAN, reload },
    { "prune", JSON_NUMBER, prune },
    { "stop", JSON_BOOLEAN, stop },
};

#define COMMANDS (sizeof commands / sizeof *commands)

/* Which of them, and its value; -1 when it is none, or more than one. */
static int read_command(struct text line, struct text *value,
                        struct harp_error *error)
{
    struct json_member m[COMMANDS];
    int found = -1, count = 0;

    for (size_t i = 0; i < COMMANDS; i++)
        m[i] = (struct json_member){ .name = commands[i].name,
                                     .allowed = commands[i].allowed };
    if (json_members(line, m, COMMANDS, true, error) != 0)
        return -1;
    for (size_t i = 0; i < COMMANDS; i++)
        if (m[i].kind) {
            found = (int)i;
            count++;
        }
    if (count != 1 || text_is(m[found].value, "false"))
        return error_set(error, REMOTE_ERROR, "invalid_request", "one of "
                         "status, cancel_queue, refresh_hosts, reload, "
                         "prune, stop is asked for, with what it takes");
    *value = m[found].value;
    return found;
}

static void serve(struct operator *operator, struct text line)
{
    struct harp_error error;
    struct text value;
    int command = read_command(line, &value, &error);

    if (command < 0)
        send_error(operator, &error);
    else
        commands[command].serve(operator, value);
}

static void take_lines(struct operator *operator)
{
    struct text line;

    while (!operator->waits && !transport_is_closing(&operator->transport)
           && line_take(&operator->input, &line))
        serve(operator, line);
    if (transport_is_closing(&operator->transport))
        return;
    if (!operator->waits && line_pending(&operator->input) > COMMAND_LIMIT)
        hang_up(operator);
    else
        transport_receive(&operator->transport, !operator->waits);
}

/* ---- connections ---- */

static void on_ready(void *owner)
{
    (void)owner;
}

static char *give_space(void *owner)
{
    struct operator *operator = owner;

    return line_space(&operator->input, TRANSPORT_SPACE);
}

static void on_received(void *owner, ssize_t size)
{
    struct operator *operator = owner;

    if (size < 0) {
        hang_up(operator);
        return;
    }
    line_filled(&operator->input, (size_t)size);
    take_lines(operator);
}

static void on_sent(void *owner, int result)
{
    if (result < 0)
        hang_up(owner);
}

static const struct transport_user user = {
    on_ready, give_space, on_received, on_sent, on_sent, on_closed
};

static void on_connection(uv_stream_t *listener, int result)
{
    struct control *control = listener->data;
    struct operator *operator;

    if (result != 0)
        return;
    operator = memory_new(sizeof *operator);
    operator->control = control;
    LIST_INSERT_HEAD(&control->operators, operator, link);
    control->count++;
    if (transport_start(&operator->transport, listener, NULL, &user, operator)
        != 0 || control->count > MOST_OPERATORS)
        hang_up(operator);
    else
        transport_receive(&operator->transport, true);
}

struct control *control_open(struct parts *parts,
                             const struct endpoint *endpoint,
                             const struct control_actions *actions,
                             void *owner, struct harp_error *error)
{
    struct control *control;
    char *name;
    int fd = listen_open(endpoint, LISTEN_MODE, &name, error);

    if (fd < 0) {
        error_prefix(error, "control");
        return NULL;
    }
    control = memory_new(sizeof *control);
    control->parts = parts;
    control->actions = actions;
    control->owner = owner;
    control->name = name;
    control->start = uv_now(&parts->loop);
    LIST_INIT(&control->operators);
    uv_pipe_init(&parts->loop, &control->listener, 0);
    control->listener.data = control;
    uv_pipe_open(&control->listener, fd);
    uv_listen((uv_stream_t *)&control->listener, MOST_OPERATORS,
              on_connection);
    return control;
}

void control_close(struct control *control)
{
    if (!control || uv_is_closing((uv_handle_t *)&control->listener))
        return;
    uv_close((uv_handle_t *)&control->listener, NULL);
    while (!LIST_EMPTY(&control->operators))
        hang_up(LIST_FIRST(&control->operators));
}

void control_free(struct control *control)
{
    if (!control)
        return;
    free(control->name);
    free(control);
}
