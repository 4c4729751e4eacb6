#include "wire/request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "wire/json.h"

#define NAME_LIMIT 16384        /* bytes, of a queue or a dedup key */

/* Which member makes which request. */
static const struct {
    const char *member;
    enum request_kind kind;
} operations[] = {
    { "procedure", REQUEST_CALL },
    { "cancel", REQUEST_CANCEL },
    { "get_result", REQUEST_GET_RESULT },
    { "get_status", REQUEST_GET_STATUS },
    { "follow_stream", REQUEST_FOLLOW_STREAM },
    { "read_stream", REQUEST_READ_STREAM },
    { "list_jobs", REQUEST_LIST_JOBS },
    { "list_queues", REQUEST_LIST_QUEUES },
    { "list_hosts", REQUEST_LIST_HOSTS },
    { "forget", REQUEST_FORGET },
};

#define OPERATIONS (sizeof operations / sizeof *operations)

static int invalid(struct harp_error *error, const char *message)
{
    return error_set(error, REMOTE_ERROR, "invalid_request", "%s", message);
}

static void take_value(char **text, const struct json_member *member)
{
    if (member->kind)
        *text = text_copy(member->value);
}

static int take_integer(int64_t *integer, const struct json_member *member,
                        int64_t least, struct harp_error *error)
{
    if (!member->kind)
        return 0;
    if (json_integer(member->value, integer) == 0 && *integer >= least)
        return 0;
    return error_set(error, REMOTE_ERROR, "invalid_request",
                     "\"%s\" is not an integer of at least %lld",
                     member->name, (long long)least);
}

static int take_seconds(double *seconds, const struct json_member *member,
                        struct harp_error *error)
{
    if (!member->kind)
        return 0;
    *seconds = json_real(member->value);
    if (isfinite(*seconds) && *seconds > 0)
        return 0;
    return error_set(error, REMOTE_ERROR, "invalid_request",
                     "\"%s\" is not a number of seconds above 0",
                     member->name);
}

/* Names are compared at every submit: in one spelling, and not too long. */
static int take_canonical(char **text, const struct json_member *member,
                          struct harp_error *error)
{
    struct buffer canonical = { 0 };

    if (!member->kind)
        return 0;
    if (member->value.length > NAME_LIMIT)
        return error_set(error, REMOTE_ERROR, "invalid_request",
                         "\"%s\" is longer than 16 KiB", member->name);
    if (json_canonical(&canonical, member->value, error) != 0) {
        buffer_free(&canonical);
        return -1;
    }
    buffer_add(&canonical, "", 1);
    *text = canonical.data;
    return 0;
}

static int take_queue(struct request *request,
                      const struct json_member *member,
                      struct harp_error *error)
{
    struct json_member m[] = {
        { "name", JSON_OBJECT, true, 0, { 0 } },
        { "concurrency", JSON_INTEGER, false, 0, { 0 } },
    };

    if (!member->kind)
        return 0;
    if (json_members(member->value, m, 2, true, error) != 0
        || take_integer(&request->concurrency, &m[1], 1, error) != 0
        || take_canonical(&request->queue, &m[0], error) != 0)
        return error_prefix(error, "queue");
    return 0;
}

static int take_dedup(struct request *request,
                      const struct json_member *member,
                      struct harp_error *error)
{
    struct json_member m[] = {
        { "key", JSON_ANY, true, 0, { 0 } },
        { "window", JSON_NUMBER, true, 0, { 0 } },
    };

    if (!member->kind)
        return 0;
    if (json_members(member->value, m, 2, true, error) != 0
        || take_seconds(&request->dedup_window, &m[1], error) != 0
        || take_canonical(&request->dedup_key, &m[0], error) != 0)
        return error_prefix(error, "dedup");
    return 0;
}

static int take_auth(struct request *request,
                     const struct json_member *member,
                     struct harp_error *error)
{
    struct json_member m[] = {
        { "user", JSON_STRING, true, 0, { 0 } },
        { "password", JSON_STRING, true, 0, { 0 } },
    };

    if (!member->kind)
        return 0;
    if (json_members(member->value, m, 2, true, error) != 0
        || json_take_string(&request->user, &m[0], error) != 0
        || json_take_string(&request->password, &m[1], error) != 0)
        return error_prefix(error, "auth");
    return 0;
}

/* The members of every request; those of its kind come behind them. */
#define COMMON \
    { "harpcaller", JSON_INTEGER, true, 0, { 0 } }, \
    { "tag", JSON_INTEGER, false, 0, { 0 } }, \
    { "auth", JSON_OBJECT, false, 0, { 0 } }
#define FIRST 3                 /* index of the first that is not common */

/* Takes the line apart; the common ones are checked. */
static int take_members(struct request *request, struct text line,
                        struct json_member *members, size_t count,
                        struct harp_error *error)
{
    if (json_members(line, members, count, true, error) != 0)
        return -1;
    if (!text_is(members[0].value, "1"))
        return invalid(error, "\"harpcaller\" is not 1");
    request->tagged = members[1].kind != 0;
    if (take_integer(&request->tag, &members[1], INT64_MIN, error) != 0)
        return -1;
    return take_auth(request, &members[2], error);
}

#define COUNT(members) (sizeof (members) / sizeof *(members))

static int read_call(struct request *request, const char *operation,
                     struct text line, struct harp_error *error)
{
    struct json_member m[] = {
        COMMON,
        { operation, JSON_STRING, true, 0, { 0 } },
        { "host", JSON_STRING, true, 0, { 0 } },
        { "arguments", JSON_ARRAY | JSON_OBJECT, true, 0, { 0 } },
        { "timeout", JSON_NUMBER, false, 0, { 0 } },
        { "max_exec_time", JSON_NUMBER, false, 0, { 0 } },
        { "queue", JSON_OBJECT, false, 0, { 0 } },
        { "info", JSON_ANY, false, 0, { 0 } },
        { "dedup", JSON_OBJECT, false, 0, { 0 } },
    };

    request->concurrency = 1;
    if (take_members(request, line, m, COUNT(m), error) != 0
        || json_take_string(&request->procedure, &m[FIRST], error) != 0
        || json_take_string(&request->host, &m[FIRST + 1], error) != 0
        || take_seconds(&request->timeout, &m[FIRST + 3], error) != 0
        || take_seconds(&request->max_exec_time, &m[FIRST + 4], error) != 0
        || take_queue(request, &m[FIRST + 5], error) != 0
        || take_dedup(request, &m[FIRST + 7], error) != 0)
        return -1;
    take_value(&request->arguments, &m[FIRST + 2]);
    take_value(&request->info, &m[FIRST + 6]);
    return 0;
}

/* cancel and get_status: nothing but a job id. */
static int read_job(struct request *request, const char *operation,
                    struct text line, struct harp_error *error)
{
    struct json_member m[] = {
        COMMON,
        { operation, JSON_STRING, true, 0, { 0 } },
    };

    if (take_members(request, line, m, COUNT(m), error) != 0)
        return -1;
    return json_take_string(&request->job_id, &m[FIRST], error);
}

static int read_get_result(struct request *request, const char *operation,
                           struct text line, struct harp_error *error)
{
    struct json_member m[] = {
        COMMON,
        { operation, JSON_STRING, true, 0, { 0 } },
        { "wait", JSON_BOOLEAN, false, 0, { 0 } },
    };

    if (take_members(request, line, m, COUNT(m), error) != 0)
        return -1;
    request->wait = !m[FIRST + 1].kind || text_is(m[FIRST + 1].value, "true");
    return json_take_string(&request->job_id, &m[FIRST], error);
}

static int read_stream(struct request *request, const char *operation,
                       struct text line, struct harp_error *error)
{
    struct json_member m[] = {
        COMMON,
        { operation, JSON_STRING, true, 0, { 0 } },
        { "since", JSON_INTEGER, false, 0, { 0 } },
        { "recent", JSON_INTEGER, false, 0, { 0 } },
        { "timestamps", JSON_BOOLEAN, false, 0, { 0 } },
    };
    const struct json_member *since = &m[FIRST + 1], *recent = &m[FIRST + 2];

    request->since = request->recent = -1;
    if (take_members(request, line, m, COUNT(m), error) != 0
        || take_integer(&request->since, since, 0, error) != 0
        || take_integer(&request->recent, recent, 0, error) != 0)
        return -1;
    if (since->kind && recent->kind)
        return invalid(error, "\"since\" and \"recent\" exclude each other");
    if (!since->kind && !recent->kind) {
        if (request->kind == REQUEST_FOLLOW_STREAM)
            request->recent = 0;
        else
            request->since = 0;
    }
    request->timestamps = text_is(m[FIRST + 3].value, "true");
    return json_take_string(&request->job_id, &m[FIRST], error);
}

static int take_state(char **state, const struct json_member *member,
                      struct harp_error *error)
{
    if (!member->kind)
        return 0;
    if (json_take_string(state, member, error) != 0)
        return -1;
    if (strcmp(*state, "queued") == 0 || strcmp(*state, "running") == 0
        || strcmp(*state, "ended") == 0)
        return 0;
    return invalid(error, "\"state\" is none of queued, running, ended");
}

static int take_optional(char **string, const struct json_member *member,
                         struct harp_error *error)
{
    return member->kind ? json_take_string(string, member, error) : 0;
}

static int read_filter(struct request_filter *filter,
                       const struct json_member *member,
                       struct harp_error *error)
{
    struct json_member m[] = {
        { "host", JSON_STRING, false, 0, { 0 } },
        { "procedure", JSON_STRING, false, 0, { 0 } },
        { "queue", JSON_OBJECT, false, 0, { 0 } },
        { "state", JSON_STRING, false, 0, { 0 } },
        { "info", JSON_STRING, false, 0, { 0 } },
        { "since", JSON_NUMBER, false, 0, { 0 } },
        { "until", JSON_NUMBER, false, 0, { 0 } },
        { "limit", JSON_INTEGER, false, 0, { 0 } },
    };

    filter->since = filter->until = -1;
    filter->limit = -1;
    if (json_members(member->value, m, COUNT(m), true, error) != 0
        || take_optional(&filter->host, &m[0], error) != 0
        || take_optional(&filter->procedure, &m[1], error) != 0
        || take_canonical(&filter->queue, &m[2], error) != 0
        || take_state(&filter->state, &m[3], error) != 0
        || take_optional(&filter->info, &m[4], error) != 0
        || take_seconds(&filter->since, &m[5], error) != 0
        || take_seconds(&filter->until, &m[6], error) != 0
        || take_integer(&filter->limit, &m[7], 0, error) != 0)
        return error_prefix(error, "list_jobs");
    return 0;
}

static int read_list_jobs(struct request *request, const char *operation,
                          struct text line, struct harp_error *error)
{
    struct json_member m[] = {
        COMMON,
        { operation, JSON_OBJECT, true, 0, { 0 } },
    };

    if (take_members(request, line, m, COUNT(m), error) != 0)
        return -1;
    return read_filter(&request->filter, &m[FIRST], error);
}

/* list_queues and list_hosts: true, and nothing else. */
static int read_list(struct request *request, const char *operation,
                     struct text line, struct harp_error *error)
{
    struct json_member m[] = {
        COMMON,
        { operation, JSON_BOOLEAN, true, 0, { 0 } },
    };

    if (take_members(request, line, m, COUNT(m), error) != 0)
        return -1;
    return text_is(m[FIRST].value, "true")
        ? 0 : invalid(error, "a list is asked for with true");
}

static int read_forget(struct request *request, const char *operation,
                       struct text line, struct harp_error *error)
{
    struct json_member m[] = {
        COMMON,
        { operation, JSON_INTEGER, true, 0, { 0 } },
    };

    if (take_members(request, line, m, COUNT(m), error) != 0)
        return -1;
    return take_integer(&request->forget, &m[FIRST], INT64_MIN, error);
}

static int (*const readers[])(struct request *request, const char *operation,
                              struct text line, struct harp_error *error) = {
    [REQUEST_CALL] = read_call,
    [REQUEST_CANCEL] = read_job,
    [REQUEST_GET_STATUS] = read_job,
    [REQUEST_GET_RESULT] = read_get_result,
    [REQUEST_FOLLOW_STREAM] = read_stream,
    [REQUEST_READ_STREAM] = read_stream,
    [REQUEST_LIST_JOBS] = read_list_jobs,
    [REQUEST_LIST_QUEUES] = read_list,
    [REQUEST_LIST_HOSTS] = read_list,
    [REQUEST_FORGET] = read_forget,
};

/* Finds which operation a line asks for, -1 when none; and its tag. */
static int find_operation(struct request *request, struct text line,
                          struct harp_error *error)
{
    struct json_member m[OPERATIONS + 1];

    for (size_t i = 0; i < OPERATIONS; i++)
        m[i] = (struct json_member){ .name = operations[i].member,
                                     .allowed = JSON_ANY };
    m[OPERATIONS] = (struct json_member){ .name = "tag",
                                          .allowed = JSON_ANY };
    if (json_members(line, m, OPERATIONS + 1, false, error) != 0)
        return -1;
    request->tagged = m[OPERATIONS].kind == JSON_INTEGER
        && json_integer(m[OPERATIONS].value, &request->tag) == 0;
    for (size_t i = 0; i < OPERATIONS; i++)
        if (m[i].kind)
            return (int)i;
    return invalid(error, "no operation: one of procedure, cancel, "
                   "get_result, get_status, follow_stream, read_stream");
}

int request_read(struct request *request, struct text line,
                 struct harp_error *error)
{
    bool tagged;
    int64_t tag;
    int operation;

    *request = (struct request){ 0 };
    operation = find_operation(request, line, error);
    tagged = request->tagged;
    tag = request->tag;
    if (operation >= 0) {
        request->kind = operations[operation].kind;
        if (readers[request->kind](request, operations[operation].member,
                                   line, error) == 0)
            return 0;
    }
    request_free(request);
    request->tagged = tagged;
    request->tag = tag;
    return -1;
}

bool request_is_hello(const struct request *request)
{
    return request->kind == REQUEST_GET_STATUS
        && strcmp(request->job_id, REQUEST_HELLO_ID) == 0;
}

/* ---- writing ---- */

static void write_name(struct buffer *buffer, const char *name)
{
    buffer_printf(buffer, ",\"%s\":", name);
}

static void write_string(struct buffer *buffer, const char *name,
                         const char *string)
{
    write_name(buffer, name);
    json_write_string(buffer, text_of(string));
}

static void write_value(struct buffer *buffer, const char *name,
                        const char *value)
{
    if (!value)
        return;
    write_name(buffer, name);
    buffer_add_string(buffer, value);
}

static void write_seconds(struct buffer *buffer, const char *name,
                          double seconds)
{
    char text[JSON_REAL_SIZE];

    if (seconds > 0)
        write_value(buffer, name, json_print_real(text, seconds));
}

static void write_integer(struct buffer *buffer, const char *name,
                          int64_t integer)
{
    buffer_printf(buffer, ",\"%s\":%lld", name, (long long)integer);
}

static void write_call(const struct request *request, struct buffer *buffer)
{
    write_string(buffer, "host", request->host);
    write_string(buffer, "procedure", request->procedure);
    write_value(buffer, "arguments", request->arguments);
    write_seconds(buffer, "timeout", request->timeout);
    write_seconds(buffer, "max_exec_time", request->max_exec_time);
    if (request->queue)
        buffer_printf(buffer, ",\"queue\":{\"name\":%s,\"concurrency\":%lld}",
                      request->queue, (long long)request->concurrency);
    write_value(buffer, "info", request->info);
    if (request->dedup_key) {
        buffer_printf(buffer, ",\"dedup\":{\"key\":%s", request->dedup_key);
        write_seconds(buffer, "window", request->dedup_window);
        buffer_add_string(buffer, "}");
    }
}

static void write_stream(const struct request *request,
                         struct buffer *buffer)
{
    if (request->recent >= 0)
        write_integer(buffer, "recent", request->recent);
    else
        write_integer(buffer, "since", request->since);
    if (request->timestamps)
        write_value(buffer, "timestamps", "true");
}

/* A member of the filter, if it is given; they begin with a comma each. */
static void write_filter(const struct request_filter *filter,
                         struct buffer *buffer)
{
    if (filter->host)
        write_string(buffer, "host", filter->host);
    if (filter->procedure)
        write_string(buffer, "procedure", filter->procedure);
    write_value(buffer, "queue", filter->queue);
    if (filter->state)
        write_string(buffer, "state", filter->state);
    if (filter->info)
        write_string(buffer, "info", filter->info);
    write_seconds(buffer, "since", filter->since);
    write_seconds(buffer, "until", filter->until);
    if (filter->limit >= 0)
        write_integer(buffer, "limit", filter->limit);
}

static void write_list_jobs(const struct request *request,
                            struct buffer *buffer)
{
    struct buffer filter = { 0 };

    write_filter(&request->filter, &filter);
    write_name(buffer, "list_jobs");
    buffer_add_string(buffer, "{");
    if (filter.length)
        buffer_add(buffer, filter.data + 1, filter.length - 1);
    buffer_add_string(buffer, "}");
    buffer_free(&filter);
}

static const char *operation_name(enum request_kind kind)
{
    size_t i = 0;

    while (operations[i].kind != kind)
        i++;
    return operations[i].member;
}

static void write_members(const struct request *request,
                          struct buffer *buffer)
{
    const char *operation = operation_name(request->kind);

    switch (request->kind) {
    case REQUEST_CALL:
        write_call(request, buffer);
        return;
    case REQUEST_LIST_JOBS:
        write_list_jobs(request, buffer);
        return;
    case REQUEST_LIST_QUEUES:
    case REQUEST_LIST_HOSTS:
        write_value(buffer, operation, "true");
        return;
    case REQUEST_FORGET:
        write_integer(buffer, operation, request->forget);
        return;
    case REQUEST_CANCEL:
    case REQUEST_GET_STATUS:
    case REQUEST_GET_RESULT:
    case REQUEST_FOLLOW_STREAM:
    case REQUEST_READ_STREAM:
        write_string(buffer, operation, request->job_id);
        break;
    }
    if (request->kind == REQUEST_GET_RESULT)
        write_value(buffer, "wait", request->wait ? "true" : "false");
    if (request->kind == REQUEST_FOLLOW_STREAM
        || request->kind == REQUEST_READ_STREAM)
        write_stream(request, buffer);
}

static void write_auth(struct buffer *buffer, const char *user,
                       const char *password)
{
    buffer_add_string(buffer, ",\"auth\":{\"user\":");
    json_write_string(buffer, text_of(user));
    buffer_add_string(buffer, ",\"password\":");
    json_write_string(buffer, text_of(password));
    buffer_add_string(buffer, "}");
}

void request_write(const struct request *request, struct buffer *buffer)
{
    buffer_add_string(buffer, "{\"harpcaller\":1");
    write_members(request, buffer);
    if (request->tagged)
        write_integer(buffer, "tag", request->tag);
    if (request->user)
        write_auth(buffer, request->user, request->password);
    buffer_add_string(buffer, "}\n");
}

void request_add_auth(struct buffer *buffer, struct text line,
                      const char *user, const char *password)
{
    buffer_add(buffer, line.data, line.length - strlen("}\n"));
    write_auth(buffer, user, password);
    buffer_add_string(buffer, "}\n");
}

void request_free(struct request *request)
{
    if (request->password)
        explicit_bzero(request->password, strlen(request->password));
    free(request->user);
    free(request->password);
    free(request->host);
    free(request->procedure);
    free(request->arguments);
    free(request->info);
    free(request->queue);
    free(request->dedup_key);
    free(request->job_id);
    free(request->filter.host);
    free(request->filter.procedure);
    free(request->filter.queue);
    free(request->filter.state);
    free(request->filter.info);
    *request = (struct request){ 0 };
}
