/*
 * A request that was read and is written reads back as the same one; an error
 * keeps the tag, and can be answered.
 */
#include "spec/fuzz/fuzz.h"

#include "base/error.h"
#include "wire/json.h"
#include "wire/reply.h"
#include "wire/request.h"

static void must_be_same(const char *a, const char *b)
{
    MUST(!a == !b);
    MUST(!a || strcmp(a, b) == 0);
}

static void compare_filters(const struct request_filter *a,
                            const struct request_filter *b)
{
    must_be_same(a->host, b->host);
    must_be_same(a->procedure, b->procedure);
    must_be_same(a->queue, b->queue);
    must_be_same(a->state, b->state);
    must_be_same(a->info, b->info);
    MUST(a->since == b->since);
    MUST(a->until == b->until);
    MUST(a->limit == b->limit);
}

static void compare(const struct request *a, const struct request *b)
{
    MUST(a->kind == b->kind);
    MUST(a->tagged == b->tagged);
    MUST(a->tag == b->tag);
    must_be_same(a->host, b->host);
    must_be_same(a->procedure, b->procedure);
    must_be_same(a->arguments, b->arguments);
    must_be_same(a->info, b->info);
    must_be_same(a->queue, b->queue);
    MUST(!a->queue || a->concurrency == b->concurrency);
    MUST(a->timeout == b->timeout);
    MUST(a->max_exec_time == b->max_exec_time);
    must_be_same(a->dedup_key, b->dedup_key);
    MUST(a->dedup_window == b->dedup_window);
    must_be_same(a->user, b->user);
    must_be_same(a->password, b->password);
    must_be_same(a->job_id, b->job_id);
    MUST(a->wait == b->wait);
    MUST(a->since == b->since);
    MUST(a->recent == b->recent);
    MUST(a->timestamps == b->timestamps);
    compare_filters(&a->filter, &b->filter);
    MUST(a->forget == b->forget);
}

/* The line without its end, which must be there. */
static struct text written_line(const struct buffer *buffer)
{
    MUST(buffer->length && buffer->data[buffer->length - 1] == '\n');
    MUST(!memchr(buffer->data, '\n', buffer->length - 1));
    return (struct text){ buffer->data, buffer->length - 1 };
}

static void write_and_read(const struct request *request)
{
    struct buffer buffer = { 0 };
    struct request again = { 0 };
    struct harp_error error;

    request_write(request, &buffer);
    MUST(request_read(&again, written_line(&buffer), &error) == 0);
    compare(request, &again);
    request_free(&again);
    buffer_free(&buffer);
}

/* What the client sends where a listener has users. */
static void write_with_sender(const struct request *request)
{
    struct buffer plain = { 0 }, signed_line = { 0 };
    struct request again = { 0 };
    struct harp_error error;

    request_write(request, &plain);
    request_add_auth(&signed_line, buffer_text(&plain), "user\"", "");
    MUST(request_read(&again, written_line(&signed_line), &error) == 0);
    must_be_same(again.user, "user\"");
    must_be_same(again.password, "");
    request_free(&again);
    buffer_free(&plain);
    buffer_free(&signed_line);
}

static void must_read(const struct buffer *buffer, enum reply_kind kind)
{
    struct harp_error error;
    struct reply reply;

    MUST(reply_read(&reply, written_line(buffer), &error) == 0);
    MUST(reply.kind == kind);
}

/* What a dispatcher tells of the job that a call becomes. */
static void tell_of_job(const struct request *call)
{
    struct reply_job job = { .id = "id", .call = call, .submit = 1 };
    struct buffer status = { 0 }, line = { 0 };

    reply_status(&status, &job);
    must_read(&status, REPLY_STATUS);
    reply_job(&line, &job);
    must_read(&line, REPLY_JOB);
    buffer_free(&status);
    buffer_free(&line);
}

/* What the dispatcher does with a request that it cannot read. */
static void answer_error(const struct request *request,
                         const struct harp_error *error)
{
    struct buffer plain = { 0 }, tagged = { 0 };
    struct harp_error unread;
    struct reply reply;

    MUST(strcmp(error->type, "parse_error") == 0
         || strcmp(error->type, "invalid_request") == 0);
    reply_error(&plain, error->type, error->message);
    if (request->tagged)
        reply_add_tagged(&tagged, buffer_text(&plain), request->tag);
    else
        buffer_add_text(&tagged, buffer_text(&plain));
    MUST(reply_read(&reply, written_line(&tagged), &unread) == 0);
    MUST(reply.kind == REPLY_ERROR);
    MUST(outcome_check_failure(reply.value, &unread) == 0);
    MUST(reply.tagged == request->tagged);
    MUST(!reply.tagged || reply.tag == request->tag);
    buffer_free(&plain);
    buffer_free(&tagged);
}

/* Is there a tag that could be read? */
static bool find_tag(struct text line, int64_t *tag)
{
    struct json_member m[] = { { "tag", JSON_INTEGER, true, 0, { 0 } } };
    struct harp_error error;

    return json_members(line, m, 1, false, &error) == 0
        && json_integer(m[0].value, tag) == 0;
}

static void read_line(struct text line)
{
    struct request request = { 0 };
    struct harp_error error;
    int64_t tag;

    if (request_read(&request, line, &error) != 0) {
        answer_error(&request, &error);
    } else {
        write_and_read(&request);
        if (!request.user)
            write_with_sender(&request);
        if (request.kind == REQUEST_CALL)
            tell_of_job(&request);
    }
    if (request.tagged) {
        MUST(find_tag(line, &tag));
        MUST(tag == request.tag);
    }
    request_free(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for_each_line(data, size, read_line);
    return 0;
}
