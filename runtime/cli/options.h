/*
 * The options of commands in C that can have a stack. What is wrong with them
 * is said in one line; a status is 0, or the exit status + 1 when there is
 * nothing more to do.
 */
#ifndef HARP_CLI_OPTIONS_H
#define HARP_CLI_OPTIONS_H

#include <getopt.h>

struct stack_options;

struct option_reader {
    const char *program;        /* what its messages begin with: "harp repl" */
    const char *command;        /* whose --help there is: "repl" */
    const char *letters;        /* as getopt has them, ":" and "h" among them */
    const struct option *known; /* "help" is 'h' */
};

#define OPTIONS_END (-1)        /* the rest is not for the command */

/* Says what is wrong, and with what; returns the status. */
int options_complain(const struct option_reader *reader, const char *what,
                     const char *about);

/*
 * Reads them up to what is none. Those of a stack go to `stack`, the others
 * to take(owner, option), with their values in optarg: a status, or
 * OPTIONS_END.
 */
int options_read(const struct option_reader *reader, int argc, char **argv,
                 struct stack_options *stack,
                 int (*take)(void *owner, int option), void *owner);

#endif
