/*
 * Bytes that come in pieces give the same lines as all at once. The first
 * two bytes are not of the text: they steer where it is cut, and when lines
 * are taken.
 */
#include "spec/fuzz/fuzz.h"

#include "base/memory.h"

struct lines {
    struct buffer text;         /* each line, with its length in front */
};

static void add(struct lines *lines, struct text line)
{
    buffer_printf(&lines->text, "%zu:", line.length);
    buffer_add_text(&lines->text, line);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void take_all(struct line_reader *reader, struct lines *lines)
{
    size_t pending = line_pending(reader);
    struct text line;

    while (line_ready(reader)) {
        MUST(line_take(reader, &line));
        MUST(line_pending(reader) < pending);
        pending = line_pending(reader);
        MUST(!memchr(line.data, '\n', line.length));
        MUST(line.length == 0 || !is_space(line.data[0]));
        MUST(line.length == 0 || !is_space(line.data[line.length - 1]));
        add(lines, line);
    }
    MUST(!line_take(reader, &line));
    MUST(line_pending(reader) == pending);
}

/* What is left at the end counts too. */
static void finish(struct line_reader *reader, struct lines *lines)
{
    take_all(reader, lines);
    buffer_printf(&lines->text, "%zu", line_pending(reader));
    line_free(reader);
}

static void read_at_once(struct text text, struct lines *lines)
{
    struct line_reader reader = { 0 };

    feed(&reader, text, text.length);
    finish(&reader, lines);
}

static void read_in_pieces(struct text text, uint32_t random,
                           struct lines *lines)
{
    struct line_reader reader = { 0 };
    struct text line;

    while (text.length) {
        uint32_t r = next_random(&random);
        size_t size = feed(&reader, text, r % 4 ? r % 5 : r % 300);

        text.data += size;
        text.length -= size;
        if (r & 256)
            take_all(&reader, lines);
        else if ((r & 512) && line_take(&reader, &line))
            add(lines, line);
    }
    finish(&reader, lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lines whole = { 0 }, pieces = { 0 };
    struct text text;

    if (size < 2)
        return 0;
    /* A copy of its own, so that reading beyond its end is seen. */
    text = (struct text){ memory_copy((const char *)data + 2, size - 2),
                          size - 2 };
    read_at_once(text, &whole);
    read_in_pieces(text, 0x10000u | (uint32_t)data[0] << 8 | data[1],
                   &pieces);
    must_be_equal(buffer_text(&whole.text), buffer_text(&pieces.text));
    buffer_free(&whole.text);
    buffer_free(&pieces.text);
    free((char *)text.data);
    return 0;
}
