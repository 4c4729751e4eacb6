/*
 * Canonical text, in one pass: a value is printed as it is read, and the
 * members of an object are put in order where it ends.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/json.h"

struct member {
    struct text name;           /* owned */
    size_t start, end;          /* of "name":value in the output */
};

/* An array or object that is being read. */
struct level {
    bool is_object;
    bool is_empty;              /* no item so far */
    size_t start;               /* in the output */
    size_t members;             /* how many are those of enclosing objects */
};

struct canonical {
    struct buffer *output;
    struct buffer members;      /* struct member, of all open objects */
    struct buffer scratch;
    struct level levels[JSON_MAX_DEPTH + 1];    /* the first is unused */
    size_t depth;
    struct harp_error *error;
};

static struct member *members_of(const struct canonical *canonical)
{
    return (struct member *)(void *)canonical->members.data;
}

static size_t count_of(const struct canonical *canonical)
{
    return canonical->members.length / sizeof(struct member);
}

static void forget_members(struct canonical *canonical, size_t kept)
{
    for (size_t i = kept; i < count_of(canonical); i++)
        free((char *)members_of(canonical)[i].name.data);
    canonical->members.length = kept * sizeof(struct member);
}

static void begin_value(struct canonical *canonical)
{
    struct level *level = &canonical->levels[canonical->depth];

    if (canonical->depth && !level->is_object && !level->is_empty)
        buffer_add_string(canonical->output, ",");
    level->is_empty = false;
}

static int end_value(struct canonical *canonical)
{
    if (canonical->depth && canonical->levels[canonical->depth].is_object)
        members_of(canonical)[count_of(canonical) - 1].end
            = canonical->output->length;
    return 1;
}

static int print(struct canonical *canonical, struct text text)
{
    begin_value(canonical);
    buffer_add_text(canonical->output, text);
    return end_value(canonical);
}

static int on_null(void *context)
{
    return print(context, text_of("null"));
}

static int on_boolean(void *context, int boolean)
{
    return print(context, text_of(boolean ? "true" : "false"));
}

static int on_number(void *context, const char *digits, size_t length)
{
    return print(context, (struct text){ digits, length });
}

static int on_string(void *context, const unsigned char *s, size_t length)
{
    struct canonical *canonical = context;

    begin_value(canonical);
    json_write_string(canonical->output,
                      (struct text){ (const char *)s, length });
    return end_value(canonical);
}

static int on_key(void *context, const unsigned char *s, size_t length)
{
    struct canonical *canonical = context;
    struct text name = { (const char *)s, length };
    struct member member = { .name = { text_copy(name), length },
                             .start = canonical->output->length };

    buffer_add(&canonical->members, (const char *)&member, sizeof member);
    json_write_string(canonical->output, name);
    buffer_add_string(canonical->output, ":");
    return 1;
}

static int enter(struct canonical *canonical, bool is_object)
{
    begin_value(canonical);
    if (canonical->depth == JSON_MAX_DEPTH) {
        error_set(canonical->error, REMOTE_ERROR, "parse_error",
                  "JSON is nested too deeply");
        return 0;
    }
    canonical->levels[++canonical->depth] = (struct level){
        .is_object = is_object,
        .is_empty = true,
        .start = canonical->output->length,
        .members = count_of(canonical),
    };
    return 1;
}

static int on_start_map(void *context)
{
    return enter(context, true);
}

static int on_start_array(void *context)
{
    struct canonical *canonical = context;

    if (!enter(canonical, false))
        return 0;
    buffer_add_string(canonical->output, "[");
    return 1;
}

static int on_end_array(void *context)
{
    struct canonical *canonical = context;

    buffer_add_string(canonical->output, "]");
    canonical->depth--;
    return end_value(canonical);
}

static int by_name(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    size_t shorter = a->name.length < b->name.length ? a->name.length
                                                     : b->name.length;
    int order = memcmp(a->name.data, b->name.data, shorter);

    return order ? order
         : (a->name.length > b->name.length)
           - (a->name.length < b->name.length);
}

static bool has_doubles(const struct member *members, size_t count,
                        struct harp_error *error)
{
    for (size_t i = 1; i < count; i++) {
        char name[JSON_EXCERPT];

        if (!text_equal(members[i - 1].name, members[i].name))
            continue;
        error_set(error, REMOTE_ERROR, "invalid_request",
                  "doubled member \"%s\"",
                  json_excerpt(name, members[i].name));
        return true;
    }
    return false;
}

/* Prints the sorted members where they stand unsorted. */
static void arrange(struct canonical *canonical, const struct level *level,
                    const struct member *members, size_t count)
{
    struct buffer *output = canonical->output, *scratch = &canonical->scratch;

    scratch->length = 0;
    for (size_t i = 0; i < count; i++) {
        buffer_add_string(scratch, i ? "," : "{");
        buffer_add(scratch, output->data + members[i].start,
                   members[i].end - members[i].start);
    }
    buffer_add_string(scratch, count ? "}" : "{}");
    output->length = level->start;
    buffer_add_text(output, buffer_text(scratch));
}

static int on_end_map(void *context)
{
    struct canonical *canonical = context;
    const struct level *level = &canonical->levels[canonical->depth];
    size_t count = count_of(canonical) - level->members;
    struct member *members = members_of(canonical);

    if (count) {
        members += level->members;
        qsort(members, count, sizeof *members, by_name);
        if (has_doubles(members, count, canonical->error))
            return 0;
    }
    arrange(canonical, level, members, count);
    forget_members(canonical, level->members);
    canonical->depth--;
    return end_value(canonical);
}

int json_canonical(struct buffer *buffer, struct text value,
                   struct harp_error *error)
{
    static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_boolean,
        .yajl_number = on_number,
        .yajl_string = on_string,
        .yajl_start_map = on_start_map,
        .yajl_map_key = on_key,
        .yajl_end_map = on_end_map,
        .yajl_start_array = on_start_array,
        .yajl_end_array = on_end_array,
    };
    struct canonical canonical = { .output = buffer, .error = error };
    int failed = json_parse(value, &callbacks, &canonical, NULL, error);

    forget_members(&canonical, 0);
    buffer_free(&canonical.members);
    buffer_free(&canonical.scratch);
    return failed;
}
