/*
 * A program that prints the registry of hosts: run at once, and again so many
 * seconds after it has ended, never twice at a time. What it writes to its
 * standard error goes to the log.
 */
#ifndef HARP_DISPATCHER_HOSTS_COMMAND_H
#define HARP_DISPATCHER_HOSTS_COMMAND_H

#include <stdbool.h>
#include <uv.h>

#include "base/buffer.h"

struct hosts_command;

/*
 * `done` is called from the loop at the end of each run: with what was
 * printed, or with why that does not count and no output. `words` is the
 * program and its arguments, NULL at the end, and the owner's. `refresh` of
 * 0: never again by itself. A run of more than `limit` seconds is killed.
 */
struct hosts_command *hosts_command_start(
    uv_loop_t *loop, char **words, double refresh, double limit,
    void (*done)(void *owner, struct text output, const char *failure),
    void *owner);

/* Runs it now; if it does already, once more after that. */
void hosts_command_again(struct hosts_command *command);

bool hosts_command_is_running(const struct hosts_command *command);

/* Kills what runs; no news comes after this. NULL is fine. */
void hosts_command_close(struct hosts_command *command);

#endif
