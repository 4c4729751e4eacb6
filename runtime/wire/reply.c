#include "wire/reply.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/json.h"
#include "wire/request.h"

/* By kind: the member that tells it, and what that may hold. */
static const struct {
    const char *member;
    unsigned allowed;
} replies[] = {
    [REPLY_JOB_ID] = { "job_id", JSON_STRING },
    [REPLY_RESULT] = { "result", JSON_ANY },
    [REPLY_EXCEPTION] = { "exception", JSON_OBJECT },
    [REPLY_ERROR] = { "error", JSON_OBJECT },
    [REPLY_CANCELLED] = { "cancelled", JSON_BOOLEAN },
    [REPLY_NO_RESULT] = { "no_result", JSON_BOOLEAN },
    [REPLY_CONTINUE] = { "continue", JSON_BOOLEAN },
    [REPLY_PACKET] = { "packet", JSON_INTEGER },
    [REPLY_STATUS] = { "call", JSON_OBJECT },
    [REPLY_JOB] = { "job", JSON_OBJECT },
    [REPLY_QUEUE] = { "queue", JSON_OBJECT },
    [REPLY_HOST] = { "host", JSON_OBJECT },
    [REPLY_END] = { "end", JSON_BOOLEAN },
};

#define REPLIES (sizeof replies / sizeof *replies)

const char *reply_name(enum reply_kind kind)
{
    return kind == REPLY_STATUS ? "status" : replies[kind].member;
}

static int bad_protocol(struct harp_error *error, struct text line,
                        const char *reason)
{
    char excerpt[JSON_EXCERPT];

    return error_set(error, COMMUNICATION_ERROR, "bad_protocol",
                     "not a dispatcher's reply: %s: %s", reason,
                     json_excerpt(excerpt, line));
}

int reply_failure(const struct reply *reply, struct harp_error *error)
{
    struct json_member m[] = {
        { "type", JSON_STRING, true, 0, { 0 } },
        { "message", JSON_STRING, true, 0, { 0 } },
    };
    char *type = NULL, *message = NULL;
    int status = json_members(reply->value, m, 2, false, error);

    if (status == 0)
        status = json_take_string(&type, &m[0], error);
    if (status == 0)
        status = json_take_string(&message, &m[1], error);
    if (status == 0)
        error_set(error, REMOTE_ERROR, type, "%s", message);
    free(type);
    free(message);
    return status;
}

bool reply_failure_is(const struct reply *reply, const char *type)
{
    struct harp_error error;

    return reply_failure(reply, &error) == 0
        && strcmp(error.type, type) == 0;
}

bool reply_is_partial(enum reply_kind kind)
{
    return kind == REPLY_PACKET || kind == REPLY_JOB || kind == REPLY_QUEUE
        || kind == REPLY_HOST;
}

/* The members that go with one that tells the kind. */
enum { DATA, TIME, DUPLICATE, EXTENSIONS, TAG, COMPANIONS };

static const struct json_member companions[COMPANIONS] = {
    [DATA] = { .name = "data", .allowed = JSON_ANY },
    [TIME] = { .name = "time", .allowed = JSON_ANY },
    [DUPLICATE] = { .name = "duplicate", .allowed = JSON_BOOLEAN },
    [EXTENSIONS] = { .name = "extensions", .allowed = JSON_ARRAY },
    [TAG] = { .name = "tag", .allowed = JSON_INTEGER },
};

static int fill(struct reply *reply, const struct json_member *told,
                const struct json_member *with, struct text line,
                struct harp_error *error)
{
    reply->value = told->value;
    reply->flag = (told->kind == JSON_BOOLEAN
                   && text_is(told->value, "true"))
               || text_is(with[DUPLICATE].value, "true");
    reply->extensions = with[EXTENSIONS].value;
    reply->tagged = with[TAG].kind != 0;
    if (reply->tagged && json_integer(with[TAG].value, &reply->tag) != 0)
        return bad_protocol(error, line, "the tag is out of range");
    if (reply->kind == REPLY_STATUS)
        reply->value = line;
    if (reply->kind != REPLY_PACKET)
        return 0;
    if (!with[DATA].kind || json_integer(told->value, &reply->number) != 0
        || reply->number < 0)
        return bad_protocol(error, line, "a packet without number or data");
    if (with[TIME].kind & JSON_NUMBER)
        reply->time = json_real(with[TIME].value);
    if (!isfinite(reply->time))
        return bad_protocol(error, line, "the time is out of range");
    reply->value = with[DATA].value;
    return 0;
}

int reply_read(struct reply *reply, struct text line,
               struct harp_error *error)
{
    struct json_member m[REPLIES + COMPANIONS];
    size_t told = REPLIES;

    for (size_t i = 0; i < REPLIES; i++)
        m[i] = (struct json_member){ .name = replies[i].member,
                                     .allowed = replies[i].allowed };
    memcpy(m + REPLIES, companions, sizeof companions);
    if (json_members(line, m, REPLIES + COMPANIONS, false, error) != 0) {
        char reason[sizeof error->message];

        memcpy(reason, error->message, sizeof reason);
        return bad_protocol(error, line, reason);
    }
    for (size_t i = 0; i < REPLIES; i++) {
        if (!m[i].kind)
            continue;
        if (told != REPLIES)
            return bad_protocol(error, line, "two replies in one");
        told = i;
    }
    if (told == REPLIES)
        return bad_protocol(error, line, "nothing that is known");
    *reply = (struct reply){ .kind = (enum reply_kind)told };
    return fill(reply, &m[told], &m[REPLIES], line, error);
}

/* ---- writing ---- */

static void write_string(struct buffer *buffer, const char *before,
                         const char *string)
{
    buffer_add_string(buffer, before);
    json_write_string(buffer, text_of(string));
}

static void write_value(struct buffer *buffer, const char *before,
                        const char *value)
{
    buffer_add_string(buffer, before);
    buffer_add_string(buffer, value ? value : "null");
}

static void write_integer(struct buffer *buffer, const char *before,
                          int64_t integer)
{
    buffer_add_string(buffer, before);
    buffer_add_integer(buffer, integer);
}

void reply_job_id(struct buffer *buffer, const char *id, bool duplicate)
{
    buffer_printf(buffer, "{\"harpcaller\":1,\"job_id\":\"%s\"%s}\n", id,
                  duplicate ? ",\"duplicate\":true" : "");
}

void reply_cancelled(struct buffer *buffer, bool cancelled)
{
    buffer_printf(buffer, "{\"cancelled\":%s}\n",
                  cancelled ? "true" : "false");
}

void reply_no_result(struct buffer *buffer)
{
    buffer_add_string(buffer, "{\"no_result\":true}\n");
}

void reply_continue(struct buffer *buffer)
{
    buffer_add_string(buffer, "{\"continue\":true}\n");
}

void reply_packet(struct buffer *buffer, int64_t number, struct text data,
                  double time)
{
    write_integer(buffer, "{\"packet\":", number);
    buffer_add_string(buffer, ",\"data\":");
    buffer_add_text(buffer, data);
    if (time > 0)
        buffer_printf(buffer, ",\"time\":%.6f", time);
    buffer_add_string(buffer, "}\n");
}

void reply_error(struct buffer *buffer, const char *type, const char *message)
{
    outcome_error(buffer, type, message);
    buffer_add_string(buffer, "\n");
}

void reply_hello(struct buffer *buffer)
{
    buffer_add_string(buffer, "{\"error\":{\"type\":\"invalid_jobid\","
                      "\"message\":\"there is no job of that id\"},"
                      "\"extensions\":[\"tag\",\"dedup\",\"timestamps\","
                      "\"list\"]}\n");
}

static void write_time(struct buffer *buffer, const char *before, double time)
{
    if (time > 0)
        write_integer(buffer, before, (int64_t)time);
    else
        write_value(buffer, before, NULL);
}

static void write_times(struct buffer *buffer, const struct reply_job *job)
{
    write_time(buffer, ",\"time\":{\"submit\":", job->submit);
    write_time(buffer, ",\"start\":", job->start);
    write_time(buffer, ",\"end\":", job->end);
    buffer_add_string(buffer, "}");
}

void reply_status(struct buffer *buffer, const struct reply_job *job)
{
    const struct request *call = job->call;

    write_string(buffer, "{\"call\":{\"procedure\":", call->procedure);
    write_value(buffer, ",\"arguments\":", call->arguments);
    write_string(buffer, ",\"host\":", call->host);
    buffer_add_string(buffer, "}");
    write_times(buffer, job);
    write_value(buffer, ",\"info\":", call->info);
    buffer_add_string(buffer, "}\n");
}

const char *reply_job_state(const struct reply_job *job)
{
    return job->end > 0 ? "ended" : job->start > 0 ? "running" : "queued";
}

void reply_job(struct buffer *buffer, const struct reply_job *job)
{
    const struct request *call = job->call;

    write_string(buffer, "{\"job\":{\"id\":", job->id);
    write_string(buffer, ",\"host\":", call->host);
    write_string(buffer, ",\"procedure\":", call->procedure);
    write_value(buffer, ",\"arguments\":", call->arguments);
    write_value(buffer, ",\"queue\":", call->queue);
    write_value(buffer, ",\"info\":", call->info);
    write_string(buffer, ",\"state\":", reply_job_state(job));
    if (job->outcome)
        write_string(buffer, ",\"outcome\":", job->outcome);
    else
        write_value(buffer, ",\"outcome\":", NULL);
    write_times(buffer, job);
    buffer_add_string(buffer, "}}\n");
}

void reply_queue(struct buffer *buffer, const char *name,
                 int64_t concurrency, int64_t running, int64_t waiting)
{
    write_value(buffer, "{\"queue\":{\"name\":", name);
    write_integer(buffer, ",\"concurrency\":", concurrency);
    write_integer(buffer, ",\"running\":", running);
    write_integer(buffer, ",\"waiting\":", waiting);
    buffer_add_string(buffer, "}}\n");
}

void reply_host(struct buffer *buffer, const char *name, const char *address)
{
    write_string(buffer, "{\"host\":{\"name\":", name);
    write_string(buffer, ",\"address\":", address);
    buffer_add_string(buffer, "}}\n");
}

void reply_end(struct buffer *buffer)
{
    buffer_add_string(buffer, "{\"end\":true}\n");
}

void reply_line(struct buffer *buffer, struct text outcome)
{
    buffer_add_text(buffer, outcome);
    buffer_add_string(buffer, "\n");
}

/* A line ends with the brace of an object that is not empty. */
void reply_add_tagged(struct buffer *buffer, struct text lines, int64_t tag)
{
    while (lines.length) {
        const char *end = memchr(lines.data, '\n', lines.length);
        size_t length = (size_t)(end - lines.data);

        buffer_add(buffer, lines.data, length - 1);
        write_integer(buffer, ",\"tag\":", tag);
        buffer_add_string(buffer, "}\n");
        lines.data += length + 1;
        lines.length -= length + 1;
    }
}

void outcome_value(struct buffer *buffer, enum reply_kind kind,
                   struct text value)
{
    buffer_printf(buffer, "{\"%s\":", replies[kind].member);
    buffer_add_text(buffer, value);
    buffer_add_string(buffer, "}");
}

void outcome_error(struct buffer *buffer, const char *type,
                   const char *message)
{
    buffer_add_string(buffer, "{\"error\":{\"type\":");
    json_write_message(buffer, type);
    buffer_add_string(buffer, ",\"message\":");
    json_write_message(buffer, message);
    buffer_add_string(buffer, "}}");
}

void outcome_cancelled(struct buffer *buffer)
{
    buffer_add_string(buffer, "{\"cancelled\":true}");
}

int outcome_check_failure(struct text value, struct harp_error *error)
{
    struct json_member m[] = {
        { "type", JSON_STRING, true, 0, { 0 } },
        { "message", JSON_STRING, true, 0, { 0 } },
        { "data", JSON_ANY, false, 0, { 0 } },
    };

    return json_members(value, m, 3, true, error);
}
