/*
 * What the fuzz targets share. A target is one file with
 * LLVMFuzzerTestOneInput; it ends the process when a property does not hold.
 */
#ifndef HARP_SPEC_FUZZ_H
#define HARP_SPEC_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, \
                    #condition); \
            abort(); \
        } \
    } while (0)

/* Says what went wrong with which texts, when one of them is the reason. */
static inline void must_be_equal(struct text a, struct text b)
{
    if (text_equal(a, b))
        return;
    fprintf(stderr, "these must be equal:\n%.*s\n%.*s\n", (int)a.length,
            a.data, (int)b.length, b.data);
    abort();
}

/* A sequence that depends on the seed only; xorshift. */
static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Gives the reader up to `most` bytes of the text; how many. */
static inline size_t feed(struct line_reader *reader, struct text text,
                          size_t most)
{
    size_t size = text.length < most ? text.length : most;

    memcpy(line_space(reader, size), text.data, size);
    line_filled(reader, size);
    return size;
}

/* Calls `each` with every line that the bytes have. */
static inline void for_each_line(const uint8_t *data, size_t size,
                                 void (*each)(struct text line))
{
    struct line_reader reader = { 0 };
    struct text line;

    feed(&reader, (struct text){ (const char *)data, size }, size);
    feed(&reader, text_of("\n"), 1);
    while (line_take(&reader, &line))
        each(line);
    line_free(&reader);
}

#endif
