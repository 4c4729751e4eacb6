#include "wire/json.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* ---- parsing ---- */

static int hex4(const char *digits)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)digits[i];
        int digit = c >= '0' && c <= '9' ? c - '0'
                  : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                  : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

static bool is_escape_between(const char *at, const char *end, int low,
                              int high)
{
    int code;

    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return false;
    code = hex4(at + 2);
    return code >= low && code <= high;
}

/* yajl turns half a surrogate pair into "?": refuse it instead. */
static bool has_lone_surrogate(struct text text)
{
    const char *at = text.data, *end = text.data + text.length;

    while ((at = memchr(at, '\\', (size_t)(end - at)))) {
        if (is_escape_between(at, end, 0xdc00, 0xdfff))
            return true;
        if (is_escape_between(at, end, 0xd800, 0xdbff)) {
            if (!is_escape_between(at + 6, end, 0xdc00, 0xdfff))
                return true;
            at += 12;
        } else {
            at += 2;
        }
        if (at >= end)
            break;
    }
    return false;
}

/*
 * Length of the UTF-8 sequence at the start, 0 if it is none. The second byte
 * has a narrower range after E0, ED, F0 and F4.
 */
static size_t sequence(const unsigned char *at, size_t left)
{
    unsigned char first = at[0], low = 0x80, high = 0xbf;
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2
                  : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

    if (length == 0 || length > left)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    if (first == 0xed)
        high = 0x9f;
    if (first == 0xf0)
        low = 0x90;
    if (first == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < length; i++, low = 0x80, high = 0xbf)
        if (at[i] < low || at[i] > high)
            return 0;
    return length;
}

bool json_is_utf8(struct text text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    size_t left = text.length, length;

    for (; left; at += length, left -= length) {
        length = sequence(at, left);
        if (length == 0)
            return false;
    }
    return true;
}

/* Of a sequence: is it for a terminal to obey, and not for a human to see? */
static bool is_control(const unsigned char *at)
{
    return at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
}

const char *json_shorten(char *excerpt, size_t size, struct text text)
{
    static const char more[] = "…";
    const unsigned char *at = (const unsigned char *)text.data;
    size_t left = text.length, used = 0, length;

    for (; left; at += length, left -= length) {
        size_t whole = sequence(at, left);

        length = whole ? whole : 1;
        if (used + length + sizeof more > size) {
            memcpy(excerpt + used, more, sizeof more);
            return excerpt;
        }
        if (!whole || is_control(at)) {
            excerpt[used++] = '?';
        } else {
            memcpy(excerpt + used, at, length);
            used += length;
        }
    }
    excerpt[used] = '\0';
    return excerpt;
}

const char *json_excerpt(char excerpt[JSON_EXCERPT], struct text text)
{
    return json_shorten(excerpt, JSON_EXCERPT, text);
}

static int parse_error(struct harp_error *error, const char *message)
{
    return error_set(error, REMOTE_ERROR, "parse_error", "%s", message);
}

static int check_beyond_yajl(struct text text, struct harp_error *error)
{
    if (text.length == 0)
        return parse_error(error, "an empty text is not JSON");
    if (memchr(text.data, '\f', text.length)
        || memchr(text.data, '\v', text.length))
        return parse_error(error, "form feed or vertical tab in JSON");
    if (!json_is_utf8(text))
        return parse_error(error, "text that is not UTF-8");
    if (has_lone_surrogate(text))
        return parse_error(error, "half a surrogate pair in a JSON string");
    return 0;
}

static void explain(yajl_handle handle, struct harp_error *error)
{
    unsigned char *reason = yajl_get_error(handle, 0, NULL, 0);
    char *line = memory_string((char *)reason);

    line[strcspn(line, "\n")] = '\0';
    parse_error(error, line);
    free(line);
    yajl_free_error(handle, reason);
}

/*
 * yajl takes a string that is begun behind the document for white space, for
 * as long as it is not ended: end it.
 */
static yajl_status finish(yajl_handle handle)
{
    yajl_status status = yajl_complete_parse(handle);

    return status == yajl_status_ok
        ? yajl_parse(handle, (const unsigned char *)"\"", 1) : status;
}

int json_parse(struct text text, const yajl_callbacks *callbacks,
               void *context, yajl_handle *shown, struct harp_error *error)
{
    yajl_handle handle;
    yajl_status status;

    if (check_beyond_yajl(text, error) != 0)
        return -1;
    handle = yajl_alloc(callbacks, NULL, context);
    if (shown)
        *shown = handle;
    status = yajl_parse(handle, (const unsigned char *)text.data, text.length);
    if (status == yajl_status_ok)
        status = finish(handle);
    if (status == yajl_status_error)
        explain(handle, error);
    yajl_free(handle);
    return status == yajl_status_ok ? 0 : -1;
}

/* ---- taking an object apart ---- */

struct splitter {
    yajl_handle handle;
    struct text text;
    struct harp_error *error;
    size_t depth;
    size_t value_start;         /* just behind the member's name */
    char *name;                 /* of the member being read; NUL-terminated */
    size_t name_length;
    int (*each)(void *context, struct text name, enum json_kind kind,
                struct text value);
    void *context;
};

static struct text value_slice(const struct splitter *splitter)
{
    size_t start = splitter->value_start;
    size_t end = yajl_get_bytes_consumed(splitter->handle);

    while (start < end && strchr(" \t\r\n:", splitter->text.data[start]))
        start++;
    return (struct text){ splitter->text.data + start, end - start };
}

static int value(struct splitter *splitter, enum json_kind kind)
{
    struct text name = { splitter->name, splitter->name_length };

    if (splitter->depth == 0) {
        error_set(splitter->error, REMOTE_ERROR, "invalid_request",
                  "a JSON object is expected");
        return 0;
    }
    if (splitter->depth > 1)
        return 1;
    return splitter->each(splitter->context, name, kind,
                          value_slice(splitter));
}

static int split_null(void *context)
{
    return value(context, JSON_NULL);
}

static int split_boolean(void *context, int boolean)
{
    (void)boolean;
    return value(context, JSON_BOOLEAN);
}

static int split_number(void *context, const char *digits, size_t length)
{
    bool real = memchr(digits, '.', length) || memchr(digits, 'e', length)
             || memchr(digits, 'E', length);

    return value(context, real ? JSON_REAL : JSON_INTEGER);
}

static int split_string(void *context, const unsigned char *s, size_t length)
{
    (void)s;
    (void)length;
    return value(context, JSON_STRING);
}

static int enter(struct splitter *splitter)
{
    if (++splitter->depth <= JSON_MAX_DEPTH)
        return 1;
    parse_error(splitter->error, "JSON is nested too deeply");
    return 0;
}

static int split_start_map(void *context)
{
    return enter(context);
}

static int split_start_array(void *context)
{
    struct splitter *splitter = context;

    return splitter->depth == 0 ? value(splitter, JSON_ARRAY)
                                : enter(splitter);
}

static int split_key(void *context, const unsigned char *key, size_t length)
{
    struct splitter *splitter = context;

    if (splitter->depth == 1) {
        free(splitter->name);
        splitter->name = memory_copy((const char *)key, length);
        splitter->name_length = length;
        splitter->value_start = yajl_get_bytes_consumed(splitter->handle);
    }
    return 1;
}

static int leave(struct splitter *splitter, enum json_kind kind)
{
    splitter->depth--;
    return splitter->depth == 0 ? 1 : value(splitter, kind);
}

static int split_end_map(void *context)
{
    return leave(context, JSON_OBJECT);
}

static int split_end_array(void *context)
{
    return leave(context, JSON_ARRAY);
}

static const yajl_callbacks split_callbacks = {
    .yajl_null = split_null,
    .yajl_boolean = split_boolean,
    .yajl_number = split_number,
    .yajl_string = split_string,
    .yajl_start_map = split_start_map,
    .yajl_map_key = split_key,
    .yajl_end_map = split_end_map,
    .yajl_start_array = split_start_array,
    .yajl_end_array = split_end_array,
};

int json_each(struct text object,
              int (*each)(void *context, struct text name,
                          enum json_kind kind, struct text value),
              void *context, struct harp_error *error)
{
    struct splitter splitter = {
        .text = object, .error = error, .each = each, .context = context,
    };
    int failed;

    error->type[0] = '\0';
    failed = json_parse(object, &split_callbacks, &splitter, &splitter.handle,
                        error);
    free(splitter.name);
    return failed;
}

struct membership {
    struct json_member *members;
    size_t count;
    bool strict;
    struct harp_error *error;
};

static int refuse(struct harp_error *error, const char *what,
                  struct text name)
{
    char excerpt[JSON_EXCERPT];

    error_set(error, REMOTE_ERROR, "invalid_request", "%s \"%s\"", what,
              json_excerpt(excerpt, name));
    return 0;
}

static int match_member(void *context, struct text name, enum json_kind kind,
                        struct text value)
{
    struct membership *membership = context;

    for (size_t i = 0; i < membership->count; i++) {
        struct json_member *member = &membership->members[i];

        if (!text_is(name, member->name))
            continue;
        if (member->kind)
            return refuse(membership->error, "doubled member", name);
        if (!(member->allowed & kind))
            return refuse(membership->error, "wrong type of value in", name);
        member->kind = kind;
        member->value = value;
        return 1;
    }
    return membership->strict
        ? refuse(membership->error, "unknown member", name) : 1;
}

size_t json_depth(struct text text)
{
    size_t depth = 0, most = 0;
    bool quoted = false;

    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];

        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '[' || c == '{'))
            most = ++depth > most ? depth : most;
        else if (!quoted && (c == ']' || c == '}'))
            depth--;
    }
    return most;
}

int json_members(struct text object, struct json_member *members,
                 size_t count, bool strict, struct harp_error *error)
{
    struct membership membership = { members, count, strict, error };

    for (size_t i = 0; i < count; i++)
        members[i].kind = 0;
    if (json_each(object, match_member, &membership, error) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (members[i].required && !members[i].kind) {
            refuse(error, "missing member", text_of(members[i].name));
            return -1;
        }
    }
    return 0;
}

/* ---- scalars ---- */

static int keep_string(void *context, const unsigned char *s, size_t length)
{
    buffer_add(context, (const char *)s, length);
    return 1;
}

static void decode_string(struct buffer *decoded, struct text value)
{
    static const yajl_callbacks callbacks = { .yajl_string = keep_string };
    struct harp_error error;

    if (memchr(value.data, '\\', value.length))
        json_parse(value, &callbacks, decoded, NULL, &error);
    else
        buffer_add(decoded, value.data + 1, value.length - 2);
}

int json_take_string(char **string, const struct json_member *member,
                     struct harp_error *error)
{
    struct buffer decoded = { 0 };

    decode_string(&decoded, member->value);
    if (decoded.length && memchr(decoded.data, '\0', decoded.length)) {
        buffer_free(&decoded);
        return error_set(error, REMOTE_ERROR, "invalid_request",
                         "\"%s\" has a NUL character", member->name);
    }
    buffer_add(&decoded, "", 1);
    *string = decoded.data;
    return 0;
}

/* The digits of a number as a C string; -1 when there are too many. */
static int number_text(struct text value, char *digits, size_t size)
{
    if (value.length >= size)
        return -1;
    memcpy(digits, value.data, value.length);
    digits[value.length] = '\0';
    return 0;
}

int json_integer(struct text value, int64_t *integer)
{
    char digits[32];

    if (number_text(value, digits, sizeof digits) != 0)
        return -1;
    errno = 0;
    *integer = strtoll(digits, NULL, 10);
    return errno ? -1 : 0;
}

/* A number has a point, whatever a script's os.setlocale says. */
static locale_t c_locale(void)
{
    static locale_t locale;

    if (!locale)
        locale = newlocale(LC_ALL_MASK, "C", NULL);
    return locale;
}

double json_real(struct text value)
{
    char *digits = text_copy(value);
    double real = strtod_l(digits, NULL, c_locale());

    free(digits);
    return real;
}

/* ---- writing ---- */

static bool is_escaped(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

static void write_escape(struct buffer *buffer, unsigned char c)
{
    static const char bytes[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = c ? strchr(bytes, c) : NULL;

    if (found)
        buffer_printf(buffer, "\\%c", letters[found - bytes]);
    else
        buffer_printf(buffer, "\\u%04X", c);
}

/* `mend`: what is not UTF-8 becomes U+FFFD, instead of staying as it is. */
static void write_quoted(struct buffer *buffer, struct text string, bool mend)
{
    const unsigned char *at = (const unsigned char *)string.data;
    const unsigned char *end = at + string.length, *plain = at;

    buffer_add_string(buffer, "\"");
    while (at < end) {
        size_t length = mend ? sequence(at, (size_t)(end - at)) : 1;

        if (length && !is_escaped(*at)) {
            at += length;
            continue;
        }
        buffer_add(buffer, (const char *)plain, (size_t)(at - plain));
        if (length)
            write_escape(buffer, *at);
        else
            buffer_add_string(buffer, "\xef\xbf\xbd");
        plain = ++at;
    }
    buffer_add(buffer, (const char *)plain, (size_t)(at - plain));
    buffer_add_string(buffer, "\"");
}

void json_write_string(struct buffer *buffer, struct text string)
{
    write_quoted(buffer, string, false);
}

void json_write_message(struct buffer *buffer, const char *message)
{
    write_quoted(buffer, text_of(message), true);
}

/* Digits that read back as the same number, as few as %g finds. */
static void shortest(char *digits, size_t size, double real)
{
    locale_t before = uselocale(c_locale());
    int precision = 15;

    do {
        snprintf(digits, size, "%.*g", precision, real);
    } while (strtod(digits, NULL) != real && ++precision <= 17);
    uselocale(before);
}

const char *json_print_real(char text[JSON_REAL_SIZE], double real)
{
    char digits[32];
    char *exponent;

    shortest(digits, sizeof digits, real);
    exponent = strchr(digits, 'e');
    if (exponent)
        *exponent++ = '\0';
    snprintf(text, JSON_REAL_SIZE, "%s%s", digits,
             strchr(digits, '.') ? "" : ".0");
    if (exponent)
        snprintf(text + strlen(text), JSON_REAL_SIZE - strlen(text), "e%d",
                 atoi(exponent));
    return text;
}
