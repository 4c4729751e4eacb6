/*
 * A program that runs, and what it prints: lines of its output, the last of
 * its standard error, how it ended. While no line is taken little is read of
 * its output, so that a full pipe holds it up.
 */
#ifndef HARP_BINDINGS_COMMAND_H
#define HARP_BINDINGS_COMMAND_H

#include <stdbool.h>

#include "base/buffer.h"

struct command;
struct event;
struct harp_error;
struct program;
struct uv_loop_s;

/* What ended a command before its own end. */
enum command_trouble { COMMAND_FINE, COMMAND_TIMEOUT, COMMAND_LONG_LINE };

/* How it ended. */
struct command_end {
    int status;                 /* of its exit; -1 when it has none… */
    int signal;                 /* …as a signal ended it */
    struct text errors;         /* the last 64 KiB; as long as the command */
    enum command_trouble trouble;
};

/* `timeout` in seconds, 0 for none. NULL and an error when it cannot start. */
struct command *command_start(struct uv_loop_s *loop,
                              const struct program *program, double timeout,
                              struct harp_error *error);

/* Fired when there may be a line, or the end. */
struct event *command_event(struct command *command);

/*
 * 1 with a line, valid until the loop turns; 0 when none came yet; -1 when
 * none will come. A line longer than 1 MiB ends the command.
 */
int command_take(struct command *command, struct text *line);
enum command_trouble command_trouble(const struct command *command);

void command_discard(struct command *command);      /* no lines any more */
bool command_has_ended(struct command *command, struct command_end *end);

/* False when it is gone already. */
bool command_signal(struct command *command, int number);

/* Ends it, by SIGTERM and 2 s later SIGKILL. Does not wait for that. */
void command_end(struct command *command);

/* The same, and lets go of it: what is left frees itself. May be NULL. */
void command_free(struct command *command);

#endif
