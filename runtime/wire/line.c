#include "wire/line.h"

#include <string.h>

/* Drops what was taken, so that a long stream needs a short buffer. */
static void compact(struct line_reader *reader)
{
    struct buffer *buffer = &reader->buffer;

    if (reader->start == 0)
        return;
    buffer->length -= reader->start;
    reader->scanned -= reader->start;
    memmove(buffer->data, buffer->data + reader->start, buffer->length);
    reader->start = 0;
}

char *line_space(struct line_reader *reader, size_t size)
{
    compact(reader);
    return buffer_reserve(&reader->buffer, size);
}

void line_filled(struct line_reader *reader, size_t size)
{
    reader->buffer.length += size;
}

/* The next line's end, or NULL; remembers how far it has looked. */
static const char *line_end(struct line_reader *reader)
{
    struct buffer *buffer = &reader->buffer;
    const char *end = NULL;

    if (reader->scanned < buffer->length)
        end = memchr(buffer->data + reader->scanned, '\n',
                     buffer->length - reader->scanned);
    reader->scanned = end ? (size_t)(end - buffer->data) : buffer->length;
    return end;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

bool line_ready(struct line_reader *reader)
{
    return line_end(reader) != NULL;
}

bool line_take_whole(struct line_reader *reader, struct text *line)
{
    const char *end = line_end(reader), *start;

    if (!end)
        return false;
    start = reader->buffer.data + reader->start;
    reader->start = reader->scanned = (size_t)(end - reader->buffer.data) + 1;
    if (start < end && end[-1] == '\r')
        end--;
    *line = (struct text){ start, (size_t)(end - start) };
    return true;
}

bool line_take(struct line_reader *reader, struct text *line)
{
    if (!line_take_whole(reader, line))
        return false;
    while (line->length && is_space(*line->data)) {
        line->data++;
        line->length--;
    }
    while (line->length && is_space(line->data[line->length - 1]))
        line->length--;
    return true;
}

size_t line_pending(const struct line_reader *reader)
{
    return reader->buffer.length - reader->start;
}

void line_free(struct line_reader *reader)
{
    buffer_free(&reader->buffer);
    reader->start = reader->scanned = 0;
}
