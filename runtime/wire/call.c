#include "wire/call.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "wire/json.h"
#include "wire/reply.h"

static const struct {
    const char *name;
    const char *member;
    unsigned allowed;
} answers[] = {
    [ANSWER_ACCEPTED] = { "accepted", "stream_result", JSON_BOOLEAN },
    [ANSWER_PACKET] = { "packet", "stream", JSON_ANY },
    [ANSWER_RESULT] = { "result", "result", JSON_ANY },
    [ANSWER_EXCEPTION] = { "exception", "exception", JSON_OBJECT },
    [ANSWER_ERROR] = { "error", "error", JSON_OBJECT },
};

#define ANSWERS (sizeof answers / sizeof *answers)

const char *answer_name(enum answer_kind kind)
{
    return answers[kind].name;
}

/* ---- the request ---- */

static int read_members(struct call *call, struct text line,
                        struct harp_error *error)
{
    struct json_member m[] = {
        { "harp", JSON_ANY, false, 0, { 0 } },
        { "procedure", JSON_STRING, true, 0, { 0 } },
        { "arguments", JSON_ARRAY | JSON_OBJECT, true, 0, { 0 } },
        { "auth", JSON_OBJECT, true, 0, { 0 } },
    };
    struct json_member auth[] = {
        { "user", JSON_STRING, true, 0, { 0 } },
        { "password", JSON_STRING, true, 0, { 0 } },
    };

    if (json_members(line, m, 1, false, error) != 0)
        return -1;
    if (!m[0].kind || !text_is(m[0].value, "1"))
        return error_set(error, REMOTE_ERROR, "invalid_protocol",
                         "\"harp\" is not 1: not a request to a daemon");
    if (json_members(line, m, 4, false, error) != 0)
        return -1;
    if (json_members(m[3].value, auth, 2, false, error) != 0)
        return error_prefix(error, "auth");
    if (json_take_string(&call->procedure, &m[1], error) != 0
        || json_take_string(&call->user, &auth[0], error) != 0
        || json_take_string(&call->password, &auth[1], error) != 0)
        return -1;
    call->arguments = text_copy(m[2].value);
    return 0;
}

int call_read(struct call *call, struct text line, struct harp_error *error)
{
    *call = (struct call){ 0 };
    if (read_members(call, line, error) == 0)
        return 0;
    call_free(call);
    return -1;
}

void call_write(const struct call *call, struct buffer *buffer)
{
    buffer_add_string(buffer, "{\"harp\":1,\"procedure\":");
    json_write_string(buffer, text_of(call->procedure));
    buffer_add_string(buffer, ",\"arguments\":");
    buffer_add_string(buffer, call->arguments);
    buffer_add_string(buffer, ",\"auth\":{\"user\":");
    json_write_string(buffer, text_of(call->user));
    buffer_add_string(buffer, ",\"password\":");
    json_write_string(buffer, text_of(call->password));
    buffer_add_string(buffer, "}}\n");
}

void call_free(struct call *call)
{
    if (call->password)
        explicit_bzero(call->password, strlen(call->password));
    free(call->procedure);
    free(call->arguments);
    free(call->user);
    free(call->password);
    *call = (struct call){ 0 };
}

/* ---- the answers ---- */

static int bad_protocol(struct harp_error *error, struct text line,
                        const char *reason)
{
    char excerpt[JSON_EXCERPT];

    return error_set(error, COMMUNICATION_ERROR, "bad_protocol",
                     "not a daemon's answer: %s: %s", reason,
                     json_excerpt(excerpt, line));
}

static int reject(struct harp_error *error, struct text line)
{
    char reason[sizeof error->message];

    memcpy(reason, error->message, sizeof reason);
    return bad_protocol(error, line, reason);
}

int answer_read(struct answer *answer, struct text line,
                struct harp_error *error)
{
    struct json_member m[ANSWERS];
    size_t told = ANSWERS;

    for (size_t i = 0; i < ANSWERS; i++)
        m[i] = (struct json_member){ .name = answers[i].member,
                                     .allowed = answers[i].allowed };
    if (json_members(line, m, ANSWERS, false, error) != 0)
        return reject(error, line);
    for (size_t i = 0; i < ANSWERS; i++) {
        if (!m[i].kind)
            continue;
        if (told != ANSWERS)
            return bad_protocol(error, line, "two answers in one");
        told = i;
    }
    if (told == ANSWERS)
        return bad_protocol(error, line, "nothing that is known");
    *answer = (struct answer){
        .kind = (enum answer_kind)told,
        .flag = text_is(m[told].value, "true"),
        .value = m[told].value,
    };
    if ((answer->kind == ANSWER_EXCEPTION || answer->kind == ANSWER_ERROR)
        && outcome_check_failure(answer->value, error) != 0)
        return reject(error, line);
    return 0;
}

void answer_accepted(struct buffer *buffer, bool stream)
{
    buffer_printf(buffer, "{\"harp\":1,\"stream_result\":%s}\n",
                  stream ? "true" : "false");
}

void answer_value(struct buffer *buffer, enum answer_kind kind,
                  struct text value)
{
    buffer_printf(buffer, "{\"%s\":", answers[kind].member);
    buffer_add_text(buffer, value);
    buffer_add_string(buffer, "}\n");
}

void answer_error(struct buffer *buffer, const char *type,
                  const char *message)
{
    buffer_add_string(buffer, "{\"harp\":1,\"error\":{\"type\":");
    json_write_message(buffer, type);
    buffer_add_string(buffer, ",\"message\":");
    json_write_message(buffer, message);
    buffer_add_string(buffer, "}}\n");
}
