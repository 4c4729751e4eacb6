/* A daemon's answer that was read and is written reads back as the same. */
#include "spec/fuzz/fuzz.h"

#include "base/error.h"
#include "wire/call.h"
#include "wire/reply.h"

/* An error has no writer of its own that takes a value: nobody hands it on. */
static void write_answer(const struct answer *answer, struct buffer *buffer)
{
    if (answer->kind == ANSWER_ACCEPTED)
        answer_accepted(buffer, answer->flag);
    else
        answer_value(buffer, answer->kind, answer->value);
}

static void write_and_read(const struct answer *answer)
{
    struct buffer buffer = { 0 };
    struct answer again;
    struct harp_error error;

    write_answer(answer, &buffer);
    MUST(buffer.data[buffer.length - 1] == '\n');
    MUST(answer_read(&again, (struct text){ buffer.data, buffer.length - 1 },
                     &error) == 0);
    MUST(answer->kind == again.kind);
    if (answer->kind == ANSWER_ACCEPTED)
        MUST(answer->flag == again.flag);
    else
        must_be_equal(answer->value, again.value);
    buffer_free(&buffer);
}

/* What the dispatcher does with a daemon that it cannot read. */
static void keep_error(const struct harp_error *error)
{
    struct buffer outcome = { 0 };
    struct reply reply;
    struct harp_error unread;

    MUST(strcmp(error->type, "bad_protocol") == 0);
    outcome_error(&outcome, error->type, error->message);
    MUST(reply_read(&reply, buffer_text(&outcome), &unread) == 0);
    MUST(reply.kind == REPLY_ERROR);
    buffer_free(&outcome);
}

static void read_line(struct text line)
{
    struct harp_error error;
    struct answer answer;

    if (answer_read(&answer, line, &error) == 0)
        write_and_read(&answer);
    else
        keep_error(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for_each_line(data, size, read_line);
    return 0;
}
