/*
 * The terminal while a line is edited: keys come as they are pressed, and
 * what the program writes to its standard output and error is kept, for the
 * editor to show above the line. Whatever ends the program then, short of
 * SIGKILL, leaves the terminal as it was. There is one a process.
 */
#ifndef HARP_BINDINGS_TERMINAL_H
#define HARP_BINDINGS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct winsize;

/* Are standard input and output a terminal that can be drawn on? */
bool terminal_is_usable(void);

/* What a standard stream is a terminal of, kept or not; false when of none. */
bool terminal_size(int stream, struct winsize *size);

/* The width of standard output in columns; 0 when that is none. */
int terminal_columns(void);

/* NO_COLOR (https://no-color.org) and TERM are asked as well. */
bool terminal_has_colours(int stream);

/*
 * A stream to it that is there for good, whatever standard output is; NULL
 * and errno when it cannot be made.
 */
FILE *terminal_stream(void);

/*
 * The modes as they are now are those to go back to. Were keys pressed
 * already, and echoed?
 */
bool terminal_remember(void);

/* From now on keys are pressed; the modes of now are those for that. */
void terminal_enter(void);

/* Back to what was remembered. May be called also when it was not entered. */
void terminal_leave(void);

/*
 * What was written since it was entered, or last asked; NULL when nothing
 * was. To be freed.
 */
char *terminal_take(size_t *length);

#endif
