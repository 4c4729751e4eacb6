/*
 * A local stack: the real dispatcher and the real daemon, as children of this
 * process, with loopback and a unix socket between them. They end when it
 * ends, however it does. That of --local lasts as long as a script, in a
 * private directory that goes with it; that of `harp local` has a directory
 * that stays. There is one of them a process.
 */
#ifndef HARP_CLI_STACK_H
#define HARP_CLI_STACK_H

#include <stdbool.h>
#include <stddef.h>

struct harp_error;
struct local_stack;

struct stack_options {
    const char *hosts;          /* as they were given: "web[01-20]", or NULL */
    char *host_names;           /* "web01,web02,…": each of them */
    char **procedures;          /* absolute paths; none: the user's own where */
    size_t procedures_count;    /* the directory stays, else the examples */
    bool verbose;               /* logs to standard error */
    const char *directory;      /* one that stays; NULL: one of its own */
    const char *socket;         /* path; NULL: in the directory */
};

/* For getopt_long: what commands that start a stack have in common. */
enum { STACK_HOSTS = 256, STACK_PROCEDURES, STACK_VERBOSE };

#define STACK_OPTIONS \
    { "hosts", required_argument, NULL, STACK_HOSTS }, \
    { "procedures", required_argument, NULL, STACK_PROCEDURES }, \
    { "verbose", no_argument, NULL, STACK_VERBOSE }

#define STACK_NEEDS_LOCAL "--hosts, --procedures and --verbose need --local"

/* Takes one of these, and its value; -1 and a UsageError for what is wrong. */
int stack_take_option(struct stack_options *options, int option,
                      const char *value, struct harp_error *error);

/* Has it taken any? */
bool stack_has_options(const struct stack_options *options);
void stack_free_options(struct stack_options *options);

/*
 * Starts both and waits until they listen; `local` tells where, until the
 * stack is stopped.
 */
int stack_start(const struct stack_options *options,
                struct local_stack *local, struct harp_error *error);

/* The daemon reads its configuration, and the procedures, again. */
void stack_reload(void);

/* The name of a server that has ended by itself, or NULL. */
const char *stack_ended(void);

/* Ends both, and removes a directory of its own; also called at exit. */
void stack_stop(void);

#endif
