/*
 * Canonical text is a fixed point, is JSON, and does not depend on white
 * space; the members of an object are slices that are values themselves.
 */
#include "spec/fuzz/fuzz.h"

#include "base/error.h"
#include "wire/json.h"

static const yajl_callbacks nothing;

static bool is_json(struct text text)
{
    struct harp_error error;

    return json_parse(text, &nothing, NULL, NULL, &error) == 0;
}

static char first_of(enum json_kind kind)
{
    switch (kind) {
    case JSON_ARRAY: return '[';
    case JSON_OBJECT: return '{';
    case JSON_STRING: return '"';
    case JSON_NULL: return 'n';
    default: return '\0';
    }
}

static int check_member(void *context, struct text name, enum json_kind kind,
                        struct text value)
{
    struct text object = *(struct text *)context;

    MUST(value.data > object.data);
    MUST(value.data + value.length < object.data + object.length);
    MUST(json_is_utf8(name));
    MUST(is_json(value));
    MUST(!first_of(kind) || value.data[0] == first_of(kind));
    MUST(!strchr(" \t\r\n", value.data[0]));
    MUST(!strchr(" \t\r\n", value.data[value.length - 1]));
    return 1;
}

static struct text trimmed(struct text text)
{
    while (text.length && strchr(" \t\r\n", text.data[0])) {
        text.data++;
        text.length--;
    }
    while (text.length && strchr(" \t\r\n", text.data[text.length - 1]))
        text.length--;
    return text;
}

static void check_fixed_point(struct text text)
{
    struct buffer once = { 0 }, twice = { 0 };
    struct harp_error error;

    if (json_canonical(&once, text, &error) == 0) {
        MUST(is_json(buffer_text(&once)));
        MUST(json_depth(buffer_text(&once)) == json_depth(text));
        MUST(json_canonical(&twice, buffer_text(&once), &error) == 0);
        must_be_equal(buffer_text(&once), buffer_text(&twice));
    }
    buffer_free(&once);
    buffer_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = { (const char *)data, size };
    struct harp_error error;

    if (!is_json(text))
        return 0;
    text = trimmed(text);
    json_each(text, check_member, &text, &error);
    check_fixed_point(text);
    return 0;
}
