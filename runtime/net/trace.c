#include "net/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <yajl/yajl_parse.h>

#include "base/error.h"
#include "base/secret.h"
#include "net/endpoint.h"
#include "wire/json.h"

bool trace_on;

/* ---- a line without its secrets ---- */

/*
 * Writes JSON again as it is read, until there is more than is shown. The
 * value of a secret member is passed over: `secret` is the depth of its
 * object, 0 outside of one.
 */
struct writer {
    struct buffer text;
    size_t depth;
    size_t secret;
    bool login;                 /* the member is the message's "auth" */
};

/* For a callback: go on? */
static int go_on(const struct writer *writer)
{
    return writer->text.length <= TRACE_LONGEST;
}

static void add_comma(struct buffer *text)
{
    if (text->length && !strchr("[{:", text->data[text->length - 1]))
        buffer_add_string(text, ",");
}

static struct text cut(struct text string)
{
    if (string.length <= TRACE_LONGEST)
        return string;
    string.length = TRACE_LONGEST;
    while (string.length && (string.data[string.length] & 0xc0) == 0x80)
        string.length--;
    return string;
}

/* Takes a secret out: is this value, which ends here, one, or a part? */
static bool is_secret(struct writer *writer)
{
    bool is = writer->secret != 0;

    if (is && writer->secret == writer->depth) {
        buffer_add_string(&writer->text, "\"" SECRET_BLOT "\"");
        writer->secret = 0;
    }
    return is;
}

static int write_plain(struct writer *writer, struct text value)
{
    if (!is_secret(writer)) {
        add_comma(&writer->text);
        buffer_add_text(&writer->text, value);
    }
    return go_on(writer);
}

static int write_null(void *context)
{
    return write_plain(context, text_of("null"));
}

static int write_boolean(void *context, int boolean)
{
    return write_plain(context, text_of(boolean ? "true" : "false"));
}

static int write_number(void *context, const char *digits, size_t length)
{
    return write_plain(context, (struct text){ digits, length });
}

static int write_string(void *context, const unsigned char *string,
                        size_t length)
{
    struct text value = { (const char *)string, length };
    struct writer *writer = context;

    if (!is_secret(writer)) {
        add_comma(&writer->text);
        json_write_string(&writer->text, cut(value));
    }
    return go_on(writer);
}

static int write_key(void *context, const unsigned char *key, size_t length)
{
    struct text name = { (const char *)key, length };
    struct writer *writer = context;

    if (writer->secret)
        return 1;
    write_string(writer, key, length);
    buffer_add_string(&writer->text, ":");
    writer->login = writer->depth == 1 && text_is(name, "auth");
    if (secret_is_named(name))
        writer->secret = writer->depth;
    return go_on(writer);
}

static int start(struct writer *writer, const char *bracket)
{
    if (!writer->secret) {
        add_comma(&writer->text);
        buffer_add_string(&writer->text, bracket);
    }
    writer->depth++;
    return go_on(writer);
}

/* Of who calls no more is hidden than the password. */
static int start_map(void *context)
{
    struct writer *writer = context;

    if (writer->login && writer->depth == 1)
        writer->secret = 0;
    return start(writer, "{");
}

static int start_array(void *context)
{
    return start(context, "[");
}

static int end(struct writer *writer, const char *bracket)
{
    writer->depth--;
    if (!is_secret(writer))
        buffer_add_string(&writer->text, bracket);
    return go_on(writer);
}

static int end_map(void *context)
{
    return end(context, "}");
}

static int end_array(void *context)
{
    return end(context, "]");
}

static const yajl_callbacks callbacks = {
    .yajl_null = write_null,
    .yajl_boolean = write_boolean,
    .yajl_number = write_number,
    .yajl_string = write_string,
    .yajl_start_map = start_map,
    .yajl_map_key = write_key,
    .yajl_end_map = end_map,
    .yajl_start_array = start_array,
    .yajl_end_array = end_array,
};

/* ---- a line for a human ---- */

/*
 * Where a line is no JSON, nothing tells names from values: with a secret's
 * name in it, it is hidden, if it has quotes and so may be a piece of JSON.
 */
static const char *junk(char excerpt[JSON_EXCERPT], struct text line)
{
    json_excerpt(excerpt, line);
    return strchr(excerpt, '"') && secret_is_named(text_of(excerpt))
         ? SECRET_BLOT : excerpt;
}

static void add_line(struct buffer *shown, struct text line)
{
    char text[TRACE_LONGEST + sizeof "…"], excerpt[JSON_EXCERPT];
    struct writer writer = { .depth = 0 };
    struct harp_error error;

    if (json_parse(line, &callbacks, &writer, NULL, &error) == 0
        || !go_on(&writer))
        buffer_add_string(shown, json_shorten(text, sizeof text,
                                              buffer_text(&writer.text)));
    else
        buffer_add_string(shown, junk(excerpt, line));
    buffer_free(&writer.text);
}

static void add_time(struct buffer *shown)
{
    char clock[16];
    struct timespec now;
    struct tm local;

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    strftime(clock, sizeof clock, "%H:%M:%S", &local);
    buffer_printf(shown, "%s.%03ld", clock, now.tv_nsec / 1000000);
}

/* In one piece: others may write there, too. */
static void trace_line(enum trace_direction direction, const char *peer,
                       struct text line)
{
    struct buffer shown = { 0 };

    add_time(&shown);
    buffer_printf(&shown, " %s %s ", direction == TRACE_SENT ? "→" : "←",
                  peer);
    add_line(&shown, line);
    buffer_add_string(&shown, "\n");
    fwrite(shown.data, 1, shown.length, stderr);
    buffer_free(&shown);
}

void trace_lines(enum trace_direction direction, const struct endpoint *peer,
                 struct text lines)
{
    const char *at = lines.data, *end_of_all = lines.data + lines.length;
    char *name = endpoint_name(peer);

    while (at < end_of_all) {
        const char *stop = memchr(at, '\n', (size_t)(end_of_all - at));

        if (!stop)
            stop = end_of_all;
        trace_line(direction, name, (struct text){ at, (size_t)(stop - at) });
        at = stop + 1;
    }
    free(name);
}
