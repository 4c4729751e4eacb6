/*
 * JSON, on yajl. Values travel as the text they came in: a message is taken
 * apart into members whose values are slices of the line, checked but not
 * converted. yajl alone lets some things pass that JSON does not have (form
 * feed and vertical tab as white space, half a surrogate pair, UTF-8 that is
 * overlong or of surrogates); json_parse refuses them.
 */
#ifndef HARP_WIRE_JSON_H
#define HARP_WIRE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <yajl/yajl_parse.h>

#include "base/buffer.h"

struct harp_error;

#define JSON_MAX_DEPTH 1000     /* levels of nesting that are read */

/* What a value is; a set of them where several are allowed. */
enum json_kind {
    JSON_NULL = 1,
    JSON_BOOLEAN = 2,
    JSON_INTEGER = 4,           /* a number with neither fraction nor exponent */
    JSON_REAL = 8,
    JSON_NUMBER = JSON_INTEGER | JSON_REAL,
    JSON_STRING = 16,
    JSON_ARRAY = 32,
    JSON_OBJECT = 64,
    JSON_ANY = 127
};

/* One expected member of an object; `kind` and `value` are filled. */
struct json_member {
    const char *name;
    unsigned allowed;           /* kinds */
    bool required;
    enum json_kind kind;        /* of the value; 0 when absent */
    struct text value;          /* a slice of the text that was read */
};

/*
 * Runs the callbacks over one document. A callback that returns 0 has filled
 * `error` itself. Otherwise the error is a `parse_error` of kind RemoteError.
 * `handle`, when not NULL, is set before the first callback, which can ask it
 * for the end of its token with yajl_get_bytes_consumed.
 */
int json_parse(struct text text, const yajl_callbacks *callbacks,
               void *context, yajl_handle *handle, struct harp_error *error);

/*
 * Takes an object apart. Errors: `parse_error` when it is not JSON,
 * `invalid_request` for a missing, doubled or wrongly typed member and, when
 * `strict`, for one that is not in the list.
 */
int json_members(struct text object, struct json_member *members,
                 size_t count, bool strict, struct harp_error *error);

/* Calls `each` for every member of an object, in order; 0 stops. */
int json_each(struct text object,
              int (*each)(void *context, struct text name,
                          enum json_kind kind, struct text value),
              void *context, struct harp_error *error);

/* The levels of nesting of a text that is JSON: 0 for a scalar. */
size_t json_depth(struct text text);

/* Strictly: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
bool json_is_utf8(struct text text);

/*
 * The beginning of a text for a message: about 80 bytes, cut between two
 * characters; control characters, and what is not UTF-8, are "?".
 */
#define JSON_EXCERPT 84
const char *json_excerpt(char excerpt[JSON_EXCERPT], struct text text);

/* The same in `size` bytes, the NUL included. */
const char *json_shorten(char *excerpt, size_t size, struct text text);

/* Conversions of one scalar's text. */

/*
 * The member's string as a C string; -1 ("invalid_request") when it has a
 * NUL in it.
 */
int json_take_string(char **string, const struct json_member *member,
                     struct harp_error *error);
int json_integer(struct text value, int64_t *integer);  /* -1: out of range */
double json_real(struct text value);

/* Appends a string as JSON: raw UTF-8, no "\/"; the text must be valid UTF-8. */
void json_write_string(struct buffer *buffer, struct text string);

/*
 * The same for what may have in it anything that others sent: what is not
 * UTF-8 becomes U+FFFD.
 */
void json_write_message(struct buffer *buffer, const char *message);

/*
 * A finite number that reads back as the same, always with a fraction and a
 * plain exponent ("1.0e22", "1.0e-7"): stock readers die of "1e22" (protocol
 * §1), and 1.0 is not to become 1.
 */
#define JSON_REAL_SIZE 48
const char *json_print_real(char text[JSON_REAL_SIZE], double real);

/*
 * Appends a value's canonical text: members sorted by name, strings in one
 * spelling, no white space; numbers as they are. Equal names of queues have
 * equal texts (protocol §1).
 */
int json_canonical(struct buffer *buffer, struct text value,
                   struct harp_error *error);

#endif
