/*
 * The terminal while something of ours stands at its bottom: a line that is
 * edited (keys.h), or how far something is (status.c). What the program and its
 * children write to standard output and error is kept meanwhile, for the owner
 * of the bottom to show above it. Whatever ends the program then, short of
 * SIGKILL, leaves the terminal as it was. There is one a process.
 */
#ifndef HARP_BINDINGS_TERMINAL_H
#define HARP_BINDINGS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct winsize;

/* Can it be drawn on? */
bool terminal_can_draw(int stream);

/* Are standard input and output a terminal that can be drawn on? */
bool terminal_is_usable(void);

/* What a standard stream is a terminal of, kept or not; false when of none. */
bool terminal_size(int stream, struct winsize *size);

/* The width of standard output in columns; 0 when that is none. */
int terminal_columns(void);

/* NO_COLOR (https://no-color.org) and TERM are asked as well. */
bool terminal_has_colours(int stream);

/* All of them may be called from a signal handler; the terminal is `fd`. */
struct terminal_owner {
    void (*leave)(int fd, bool dies);   /* makes room: what was kept follows */
    void (*stop)(int fd);               /* by Ctrl-Z… */
    void (*go_on)(int fd);              /* …and after it */
};

/* Writes all; may be called from a signal handler. */
void terminal_write(int fd, const char *data, size_t length);

/*
 * A stream to it that is there for good, whatever standard output is; NULL
 * and errno when it cannot be made.
 */
FILE *terminal_stream(void);

/*
 * From now on what is written is kept. `stream` is the standard one that is
 * drawn on; returns its descriptor, -1 when that cannot be. An owner of before
 * has to leave.
 */
int terminal_enter(const struct terminal_owner *owner, int stream);

bool terminal_is_of(const struct terminal_owner *owner);

/* What was kept is shown, and nothing more is kept. */
void terminal_leave(const struct terminal_owner *owner);

/*
 * What was written since it was entered, or last asked, of it `lines` only as
 * far as they are whole; NULL when nothing was. To be freed.
 */
char *terminal_take(bool lines, size_t *length);

#endif
