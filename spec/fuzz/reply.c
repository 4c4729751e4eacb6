/*
 * A reply that was read and is written reads back as the same one, with a tag
 * too; an error of the reader is text that can be sent on.
 */
#include "spec/fuzz/fuzz.h"

#include "base/error.h"
#include "wire/json.h"
#include "wire/reply.h"

/* Appends the reply by what the dispatcher has for its kind. */
static void write_reply(const struct reply *reply, struct buffer *buffer)
{
    switch (reply->kind) {
    case REPLY_PACKET:
        reply_packet(buffer, reply->number, reply->value, reply->time);
        return;
    case REPLY_CANCELLED:
        reply_cancelled(buffer, reply->flag);
        return;
    case REPLY_NO_RESULT:
        reply_no_result(buffer);
        return;
    case REPLY_CONTINUE:
        reply_continue(buffer);
        return;
    case REPLY_END:
        reply_end(buffer);
        return;
    case REPLY_STATUS:
        reply_line(buffer, reply->value);
        return;
    default:
        outcome_value(buffer, reply->kind, reply->value);
        buffer_add_string(buffer, "\n");
    }
}

static void read_written(struct reply *reply, const struct buffer *buffer)
{
    struct harp_error error;

    MUST(buffer->data[buffer->length - 1] == '\n');
    MUST(reply_read(reply, (struct text){ buffer->data, buffer->length - 1 },
                    &error) == 0);
}

static void compare(const struct reply *a, const struct reply *b)
{
    MUST(a->kind == b->kind);
    MUST(a->number == b->number);
    if (a->kind == REPLY_CANCELLED)
        MUST(a->flag == b->flag);
    switch (a->kind) {
    case REPLY_CANCELLED:
    case REPLY_NO_RESULT:
    case REPLY_CONTINUE:
    case REPLY_END:
        return;
    default:
        must_be_equal(a->value, b->value);
    }
}

/* Times have microseconds: written twice, they stay. */
static void compare_times(double a, double b)
{
    MUST(a <= 0 || (a - b < 1e-6 && b - a < 1e-6));
}

static void write_and_read(const struct reply *reply)
{
    struct buffer plain = { 0 }, tagged = { 0 };
    struct reply again;

    write_reply(reply, &plain);
    read_written(&again, &plain);
    compare(reply, &again);
    compare_times(reply->time, again.time);
    if (reply->kind != REPLY_STATUS) {  /* its value is the whole line */
        reply_add_tagged(&tagged, buffer_text(&plain), INT64_MIN);
        read_written(&again, &tagged);
        compare(reply, &again);
        MUST(again.tagged && again.tag == INT64_MIN);
    }
    buffer_free(&plain);
    buffer_free(&tagged);
}

/* What went wrong with a daemon becomes the outcome of a job. */
static void send_error(const struct harp_error *error)
{
    struct buffer buffer = { 0 };
    struct reply reply;

    MUST(strcmp(error->type, "bad_protocol") == 0);
    reply_error(&buffer, error->type, error->message);
    read_written(&reply, &buffer);
    MUST(reply.kind == REPLY_ERROR);
    buffer_free(&buffer);
}

/* As an error of the client's: of the same type, if it can be read. */
static void check_failure(const struct reply *reply)
{
    struct harp_error error;
    bool readable = reply_failure(reply, &error) == 0;

    MUST(reply_failure_is(reply, error.type) == readable);
}

static void read_line(struct text line)
{
    struct harp_error error;
    struct reply reply;

    if (reply_read(&reply, line, &error) != 0) {
        send_error(&error);
    } else {
        write_and_read(&reply);
        if (reply.kind == REPLY_ERROR)
            check_failure(&reply);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for_each_line(data, size, read_line);
    return 0;
}
