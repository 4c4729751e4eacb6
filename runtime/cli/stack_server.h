/*
 * A process of a stack: this very program, as `harp daemon` or `harp
 * dispatcher`, with a configuration of the stack's directory. It has a session
 * of its own, so that Ctrl-C is not for it, and a pipe as standard input, its
 * lifeline: it ends when that does, so it cannot outlive the process that
 * started it, however that ends.
 */
#ifndef HARP_CLI_STACK_SERVER_H
#define HARP_CLI_STACK_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#define STACK_STOP_LIMIT 5000   /* ms until a process must be gone */

struct harp_error;

struct stack_server {
    pid_t pid;
    int lifeline;               /* open as long as it shall run */
    char *address;              /* what it listens on */
};

/*
 * Starts it with DIRECTORY/COMMAND.lua and waits until it listens. It logs to
 * DIRECTORY/COMMAND.log or, when verbose, to standard error.
 */
int stack_server_start(struct stack_server *server, const char *directory,
                       const char *command, bool verbose,
                       struct harp_error *error);

/* Has it ended by itself? */
bool stack_server_has_ended(struct stack_server *server);

/* Ends it, and waits for that; nothing when it does not run. */
void stack_server_stop(struct stack_server *server);

/* ms, of a clock that only goes forward */
long stack_now(void);

#endif
