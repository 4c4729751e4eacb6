/*
 * The local stack of --local: the real dispatcher and the real daemon, as
 * children of this process, in a private directory. They end when it ends,
 * however it does: standard input is their lifeline.
 */
#ifndef HARP_CLI_STACK_H
#define HARP_CLI_STACK_H

#include <stdbool.h>
#include <stddef.h>

struct harp_error;
struct local_stack;

struct stack_options {
    const char *hosts;          /* "web01,web02", or NULL */
    char **procedures;          /* absolute paths; none: the examples */
    size_t procedures_count;
    bool verbose;               /* logs to standard error */
};

/* -1 when there is no such file. */
int stack_add_procedures(struct stack_options *options, const char *path);
void stack_free_options(struct stack_options *options);

/* Starts both and waits until they listen; `local` tells where. */
int stack_start(const struct stack_options *options,
                struct local_stack *local, struct harp_error *error);

/* Ends both and removes their directory; also called at exit. */
void stack_stop(void);

#endif
