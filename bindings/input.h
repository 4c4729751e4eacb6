/*
 * A line of the terminal as it is edited, by libedit, a key at a time: its
 * owner waits for keys as for anything else, and other tasks go on. What they
 * write appears above the line.
 *
 *   input_begin ──► input_listen, a wait for `event` ──► input_take ──► input_end
 *                          ▲                                │
 *                          └────── while it goes on ────────┘
 */
#ifndef HARP_BINDINGS_INPUT_H
#define HARP_BINDINGS_INPUT_H

#include <stdbool.h>
#include <stdio.h>
#include <wchar.h>

#include "base/buffer.h"
#include "host/task.h"

struct editline;
struct harp_error;
struct history;
struct watches;

struct input {
    struct event event;         /* fired when there may be something to do */
    struct editline *edit;      /* NULL when it is closed */
    struct history *past;
    struct watches *watches;
    struct scheduler *scheduler;
    FILE *stream;
    char *prompt;
    lua_State *reader;          /* the coroutine that takes keys */
    bool reading;               /* a line is being edited */
    bool inside;                /* the reader is, of libedit */
    int keys;                   /* that libedit has taken in this call */
    wchar_t first;
    bool wants_completion;
    bool gone;                  /* the terminal is */
};

enum input_news { INPUT_GOES_ON, INPUT_ENTERED, INPUT_COMPLETE, INPUT_GONE };

/* -1 when libedit is missing, or the terminal is not fit for it. */
int input_open(struct input *input, struct scheduler *scheduler,
              struct harp_error *error);
void input_close(struct input *input);     /* also one that is not open */

/* The terminal is the line's from the one to the other. */
void input_begin(struct input *input, const char *prompt);
void input_end(struct input *input);

/* Ends a line that was not entered: it stays on the screen, `mark` behind it. */
void input_leave(struct input *input, const char *mark);

/* The event is fired when a key was pressed; once. */
void input_listen(struct input *input);
bool input_has_key(const struct input *input);

/*
 * Takes a key, and waits for the rest of it in place, in the coroutine
 * `reader`. An entered line is in *text, until the next call.
 */
enum input_news input_take(struct input *input, struct text *text);

/* What the line has so far; the cursor in bytes. */
struct text input_text(const struct input *input, size_t *cursor);

/* Puts text in place of so many characters before the cursor. */
void input_replace(struct input *input, int erase, const char *text);

/* Above the line; what does not end in a newline gets one. */
void input_show_above(struct input *input, const char *text, size_t length);

/* It can be had again by the arrow keys. */
void input_remember(struct input *input, const char *text);

/* Each Ctrl-C interrupts from now on, and none ends the program. */
void input_catch_interrupts(void);

#endif
