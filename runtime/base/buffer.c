#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define SMALLEST 256

struct text text_of(const char *string)
{
    return (struct text){ string, strlen(string) };
}

bool text_is(struct text text, const char *string)
{
    return text_equal(text, text_of(string));
}

bool text_equal(struct text a, struct text b)
{
    return a.length == b.length
        && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

char *text_copy(struct text text)
{
    return memory_copy(text.data, text.length);
}

struct text buffer_text(const struct buffer *buffer)
{
    return (struct text){ buffer->data, buffer->length };
}

char *buffer_reserve(struct buffer *buffer, size_t size)
{
    size_t needed = buffer->length + size;
    size_t capacity = buffer->capacity ? buffer->capacity : SMALLEST;

    if (needed > buffer->capacity || !buffer->data) {
        while (capacity < needed)
            capacity *= 2;
        buffer->data = memory_grow(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

void buffer_add(struct buffer *buffer, const char *data, size_t length)
{
    if (length)
        memcpy(buffer_reserve(buffer, length), data, length);
    buffer->length += length;
}

void buffer_add_text(struct buffer *buffer, struct text text)
{
    buffer_add(buffer, text.data, text.length);
}

void buffer_add_string(struct buffer *buffer, const char *string)
{
    buffer_add(buffer, string, strlen(string));
}

/* Many are written, and printf takes its time. */
void buffer_add_integer(struct buffer *buffer, long long integer)
{
    unsigned long long left = integer < 0 ? -(unsigned long long)integer
                                          : (unsigned long long)integer;
    char digits[24];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + left % 10);
    while (left /= 10);
    if (integer < 0)
        digits[--at] = '-';
    buffer_add(buffer, digits + at, sizeof digits - at);
}

/* Once is enough when there is room. */
void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    size_t room = buffer->capacity - buffer->length;
    size_t length;

    va_start(arguments, format);
    va_copy(again, arguments);
    length = (size_t)vsnprintf(room ? buffer->data + buffer->length : NULL,
                               room, format, arguments);
    if (length >= room)
        vsnprintf(buffer_reserve(buffer, length + 1), length + 1, format,
                  again);
    va_end(again);
    va_end(arguments);
    buffer->length += length;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){ 0 };
}

void buffer_wipe(struct buffer *buffer)
{
    if (buffer->data)
        explicit_bzero(buffer->data, buffer->capacity);
    buffer_free(buffer);
}
