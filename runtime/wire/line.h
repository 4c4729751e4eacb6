/*
 * Line framing. The reader never touches a socket: bytes are put into its
 * space in pieces of any size, and whole lines come out, without their end
 * (LF or CRLF) and the spaces around them.
 */
#ifndef HARP_WIRE_LINE_H
#define HARP_WIRE_LINE_H

#include "base/buffer.h"

struct line_reader {
    struct buffer buffer;
    size_t start;               /* of the first line not taken yet */
    size_t scanned;             /* no line end before this */
};

/* At least `size` bytes to be filled, then told of with line_filled. */
char *line_space(struct line_reader *reader, size_t size);
void line_filled(struct line_reader *reader, size_t size);

/* Takes a line, valid until the next call of line_space or line_free. */
bool line_take(struct line_reader *reader, struct text *line);

/* The same with the spaces around it, all but its end. */
bool line_take_whole(struct line_reader *reader, struct text *line);

bool line_ready(struct line_reader *reader);        /* would line_take take? */
size_t line_pending(const struct line_reader *reader);  /* bytes not taken */
void line_free(struct line_reader *reader);

#endif
