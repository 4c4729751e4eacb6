/*
 * Bytes: `struct text` is a view of someone else's, `struct buffer` owns a
 * growing run of its own. A zeroed buffer is an empty one.
 */
#ifndef HARP_BASE_BUFFER_H
#define HARP_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    const char *data;
    size_t length;
};

struct buffer {
    char *data;
    size_t length;
    size_t capacity;
};

struct text text_of(const char *string);
bool text_is(struct text text, const char *string);
bool text_equal(struct text a, struct text b);
char *text_copy(struct text text);      /* owned by the caller; with a NUL */

struct text buffer_text(const struct buffer *buffer);
char *buffer_reserve(struct buffer *buffer, size_t size);  /* room at the end */
void buffer_add(struct buffer *buffer, const char *data, size_t length);
void buffer_add_text(struct buffer *buffer, struct text text);
void buffer_add_string(struct buffer *buffer, const char *string);
void buffer_add_integer(struct buffer *buffer, long long integer);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_free(struct buffer *buffer);  /* leaves it empty and usable */
void buffer_wipe(struct buffer *buffer);  /* the same, of what is secret */

#endif
