/*
 * What we take for JSON and what a second reader does are the same. It reads
 * RFC 8259 by the letter, and what json.h refuses on top: half a surrogate
 * pair in a string.
 */
#include "spec/fuzz/fuzz.h"

#include "base/error.h"
#include "wire/json.h"

/* Each takes what it is named after off the front; false when it is not. */
struct at {
    const unsigned char *next;
    const unsigned char *end;
};

static int peek(const struct at *at)
{
    return at->next < at->end ? *at->next : -1;
}

static bool take(struct at *at, int c)
{
    if (peek(at) != c)
        return false;
    at->next++;
    return true;
}

static void take_space(struct at *at)
{
    while (take(at, ' ') || take(at, '\t') || take(at, '\r') || take(at, '\n'))
        ;
}

static bool take_word(struct at *at, const char *word)
{
    for (; *word; word++)
        if (!take(at, *word))
            return false;
    return true;
}

static bool take_digit(struct at *at)
{
    if (peek(at) < '0' || peek(at) > '9')
        return false;
    at->next++;
    return true;
}

static bool take_digits(struct at *at)
{
    if (!take_digit(at))
        return false;
    while (take_digit(at))
        ;
    return true;
}

static bool take_number(struct at *at)
{
    take(at, '-');
    if (!take(at, '0') && !take_digits(at))
        return false;
    if (take(at, '.') && !take_digits(at))
        return false;
    if (!take(at, 'e') && !take(at, 'E'))
        return true;
    if (!take(at, '+'))
        take(at, '-');
    return take_digits(at);
}

static int take_hex4(struct at *at)
{
    int code = 0;

    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        int c = peek(at);
        const char *digit = c > 0 ? strchr(digits, c) : NULL;

        if (!digit)
            return -1;
        code = code * 16 + (int)(digit - digits) % 16;
        at->next++;
    }
    return code;
}

static bool take_escape(struct at *at)
{
    int c = peek(at), code;

    at->next++;
    if (c > 0 && c != 'u')
        return strchr("\"\\/bfnrt", c) != NULL;
    code = c == 'u' ? take_hex4(at) : -1;
    if (code < 0 || (code & 0xfc00) == 0xdc00)
        return false;
    if ((code & 0xfc00) != 0xd800)
        return true;
    if (!take_word(at, "\\u"))
        return false;
    code = take_hex4(at);
    return code >= 0 && (code & 0xfc00) == 0xdc00;
}

/* A code point in the only form that UTF-8 has for it. */
static bool take_character(struct at *at)
{
    static const unsigned long least[] = { 0, 0x80, 0x800, 0x10000 };
    int first = *at->next++;
    int more = first < 0x80 ? 0 : (first & 0xe0) == 0xc0 ? 1
             : (first & 0xf0) == 0xe0 ? 2 : (first & 0xf8) == 0xf0 ? 3 : -1;
    unsigned long code = (unsigned long)first;

    if (more < 0)
        return false;
    if (more > 0)
        code &= 0x3fu >> more;
    for (int i = 0; i < more; i++) {
        if (peek(at) < 0 || (peek(at) & 0xc0) != 0x80)
            return false;
        code = code << 6 | (*at->next++ & 0x3fu);
    }
    return code >= least[more] && code <= 0x10ffff
        && (code & 0xfff800) != 0xd800;
}

static bool take_string(struct at *at)
{
    if (!take(at, '"'))
        return false;
    while (!take(at, '"')) {
        if (peek(at) < 0x20)
            return false;
        if (take(at, '\\') ? !take_escape(at) : !take_character(at))
            return false;
    }
    return true;
}

static bool take_value(struct at *at);

static bool take_array(struct at *at)
{
    take_space(at);
    if (take(at, ']'))
        return true;
    do {
        if (!take_value(at))
            return false;
    } while (take(at, ','));
    return take(at, ']');
}

static bool take_object(struct at *at)
{
    take_space(at);
    if (take(at, '}'))
        return true;
    do {
        take_space(at);
        if (!take_string(at))
            return false;
        take_space(at);
        if (!take(at, ':') || !take_value(at))
            return false;
    } while (take(at, ','));
    return take(at, '}');
}

/* With the white space around it. */
static bool take_value(struct at *at)
{
    bool taken;

    take_space(at);
    switch (peek(at)) {
    case '[': at->next++; taken = take_array(at); break;
    case '{': at->next++; taken = take_object(at); break;
    case '"': taken = take_string(at); break;
    case 'n': taken = take_word(at, "null"); break;
    case 't': taken = take_word(at, "true"); break;
    case 'f': taken = take_word(at, "false"); break;
    default: taken = take_number(at);
    }
    take_space(at);
    return taken;
}

static bool is_strictly_json(const uint8_t *data, size_t size)
{
    struct at at = { data, data + size };

    return take_value(&at) && at.next == at.end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const yajl_callbacks nothing;
    struct text text = { (const char *)data, size };
    struct harp_error error;

    MUST((json_parse(text, &nothing, NULL, NULL, &error) == 0)
         == is_strictly_json(data, size));
    return 0;
}
