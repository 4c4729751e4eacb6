#include "wire/request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "wire/json.h"

#define QUEUE_NAME_LIMIT 16384  /* bytes; it is compared at every submit */

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

/* The protocol's version, the one member that every request has. */
static int check_version(const struct json_member *member,
                         struct harp_error *error)
{
    return text_is(member->value, "1") ? 0
         : invalid(error, "\"harpcaller\" is not 1");
}

static int take_queue(struct request *request, struct text queue,
                      struct harp_error *error)
{
    struct json_member members[] = {
        { "name", JSON_OBJECT, true, 0, { 0 } },
        { "concurrency", JSON_INTEGER, false, 0, { 0 } },
    };
    struct buffer name = { 0 };

    if (json_members(queue, members, 2, true, error) != 0
        || take_integer(&request->concurrency, &members[1], 1, error) != 0)
        return error_prefix(error, "queue");
    if (members[0].value.length > QUEUE_NAME_LIMIT)
        return invalid(error, "queue: the name is longer than 16 KiB");
    if (json_canonical(&name, members[0].value, error) != 0) {
        buffer_free(&name);
        return error_prefix(error, "queue");
    }
    buffer_add(&name, "", 1);
    request->queue = name.data;
    return 0;
}

static int read_call(struct request *request, struct text line,
                     struct harp_error *error)
{
    struct json_member m[] = {
        { "harpcaller", JSON_INTEGER, true, 0, { 0 } },
        { "host", JSON_STRING, true, 0, { 0 } },
        { "procedure", JSON_STRING, true, 0, { 0 } },
        { "arguments", JSON_ARRAY | JSON_OBJECT, true, 0, { 0 } },
        { "timeout", JSON_NUMBER, false, 0, { 0 } },
        { "max_exec_time", JSON_NUMBER, false, 0, { 0 } },
        { "queue", JSON_OBJECT, false, 0, { 0 } },
        { "info", JSON_ANY, false, 0, { 0 } },
    };

    request->concurrency = 1;
    if (json_members(line, m, sizeof m / sizeof *m, true, error) != 0
        || check_version(&m[0], error) != 0
        || json_take_string(&request->host, &m[1], error) != 0
        || json_take_string(&request->procedure, &m[2], error) != 0
        || take_seconds(&request->timeout, &m[4], error) != 0
        || take_seconds(&request->max_exec_time, &m[5], error) != 0)
        return -1;
    take_value(&request->arguments, &m[3]);
    take_value(&request->info, &m[7]);
    return m[6].kind ? take_queue(request, m[6].value, error) : 0;
}

/* cancel and get_status: nothing but a job id. */
static int read_job(struct request *request, const char *operation,
                    struct text line, struct harp_error *error)
{
    struct json_member m[] = {
        { "harpcaller", JSON_INTEGER, true, 0, { 0 } },
        { operation, JSON_STRING, true, 0, { 0 } },
    };

    if (json_members(line, m, 2, true, error) != 0
        || check_version(&m[0], error) != 0)
        return -1;
    return json_take_string(&request->job_id, &m[1], error);
}

static int read_get_result(struct request *request, const char *operation,
                           struct text line, struct harp_error *error)
{
    struct json_member m[] = {
        { "harpcaller", JSON_INTEGER, true, 0, { 0 } },
        { operation, JSON_STRING, true, 0, { 0 } },
        { "wait", JSON_BOOLEAN, false, 0, { 0 } },
    };

    if (json_members(line, m, 3, true, error) != 0
        || check_version(&m[0], error) != 0)
        return -1;
    request->wait = !m[2].kind || text_is(m[2].value, "true");
    return json_take_string(&request->job_id, &m[1], error);
}

static int read_stream(struct request *request, const char *operation,
                       struct text line, struct harp_error *error)
{
    struct json_member m[] = {
        { "harpcaller", JSON_INTEGER, true, 0, { 0 } },
        { operation, JSON_STRING, true, 0, { 0 } },
        { "since", JSON_INTEGER, false, 0, { 0 } },
        { "recent", JSON_INTEGER, false, 0, { 0 } },
    };

    request->since = request->recent = -1;
    if (json_members(line, m, 4, true, error) != 0
        || check_version(&m[0], error) != 0
        || take_integer(&request->since, &m[2], 0, error) != 0
        || take_integer(&request->recent, &m[3], 0, error) != 0)
        return -1;
    if (m[2].kind && m[3].kind)
        return invalid(error, "\"since\" and \"recent\" exclude each other");
    if (!m[2].kind && !m[3].kind) {
        if (request->kind == REQUEST_FOLLOW_STREAM)
            request->recent = 0;
        else
            request->since = 0;
    }
    return json_take_string(&request->job_id, &m[1], error);
}

static int read_members(struct request *request, const char *operation,
                        struct text line, struct harp_error *error)
{
    switch (request->kind) {
    case REQUEST_CALL:
        return read_call(request, line, error);
    case REQUEST_GET_RESULT:
        return read_get_result(request, operation, line, error);
    case REQUEST_FOLLOW_STREAM:
    case REQUEST_READ_STREAM:
        return read_stream(request, operation, line, error);
    default:
        return read_job(request, operation, line, error);
    }
}

/* Finds which operation a line asks for, -1 when none. */
static int find_operation(struct text line, struct harp_error *error)
{
    struct json_member m[OPERATIONS];

    for (size_t i = 0; i < OPERATIONS; i++)
        m[i] = (struct json_member){ .name = operations[i].member,
                                     .allowed = JSON_ANY };
    if (json_members(line, m, OPERATIONS, false, error) != 0)
        return -1;
    for (size_t i = 0; i < OPERATIONS; i++)
        if (m[i].kind)
            return (int)i;
    return invalid(error, "no operation: one of procedure, cancel, "
                   "get_result, get_status, follow_stream, read_stream");
}

int request_read(struct request *request, struct text line,
                 struct harp_error *error)
{
    int operation = find_operation(line, error);

    *request = (struct request){ 0 };
    if (operation < 0)
        return -1;
    request->kind = operations[operation].kind;
    if (read_members(request, operations[operation].member, line, error) == 0)
        return 0;
    request_free(request);
    return -1;
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
    if (seconds > 0)
        buffer_printf(buffer, ",\"%s\":%.6f", name, seconds);
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
}

static void write_job(const struct request *request, struct buffer *buffer)
{
    for (size_t i = 0; i < OPERATIONS; i++)
        if (operations[i].kind == request->kind)
            write_string(buffer, operations[i].member, request->job_id);
    if (request->kind == REQUEST_GET_RESULT)
        write_value(buffer, "wait", request->wait ? "true" : "false");
    if (request->kind == REQUEST_FOLLOW_STREAM
        || request->kind == REQUEST_READ_STREAM) {
        bool recent = request->recent >= 0;

        buffer_printf(buffer, ",\"%s\":%lld", recent ? "recent" : "since",
                      (long long)(recent ? request->recent : request->since));
    }
}

void request_write(const struct request *request, struct buffer *buffer)
{
    buffer_add_string(buffer, "{\"harpcaller\":1");
    if (request->kind == REQUEST_CALL)
        write_call(request, buffer);
    else
        write_job(request, buffer);
    buffer_add_string(buffer, "}\n");
}

void request_free(struct request *request)
{
    free(request->host);
    free(request->procedure);
    free(request->arguments);
    free(request->info);
    free(request->queue);
    free(request->job_id);
    *request = (struct request){ 0 };
}
