/* A call that was read and is written reads back as the same one. */
#include "spec/fuzz/fuzz.h"

#include "base/error.h"
#include "wire/call.h"

static void write_and_read(const struct call *call)
{
    struct buffer buffer = { 0 };
    struct call again = { 0 };
    struct harp_error error;

    call_write(call, &buffer);
    MUST(buffer.data[buffer.length - 1] == '\n');
    MUST(call_read(&again, (struct text){ buffer.data, buffer.length - 1 },
                   &error) == 0);
    MUST(strcmp(call->procedure, again.procedure) == 0);
    MUST(strcmp(call->arguments, again.arguments) == 0);
    MUST(strcmp(call->user, again.user) == 0);
    MUST(strcmp(call->password, again.password) == 0);
    call_free(&again);
    buffer_free(&buffer);
}

/* What the daemon does with a call that it cannot read. */
static void answer(const struct harp_error *error)
{
    struct buffer buffer = { 0 };
    struct answer again;
    struct harp_error unread;

    answer_error(&buffer, error->type, error->message);
    MUST(answer_read(&again, (struct text){ buffer.data, buffer.length - 1 },
                     &unread) == 0);
    MUST(again.kind == ANSWER_ERROR);
    buffer_free(&buffer);
}

static void read_line(struct text line)
{
    struct call call = { 0 };
    struct harp_error error;

    if (call_read(&call, line, &error) == 0)
        write_and_read(&call);
    else
        answer(&error);
    call_free(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for_each_line(data, size, read_line);
    return 0;
}
