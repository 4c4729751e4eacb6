/* `harp local` as it serves: the one that its user has, from start to end. */
#ifndef HARP_CLI_LOCAL_SERVE_H
#define HARP_CLI_LOCAL_SERVE_H

#include <stdbool.h>

struct stack_options;

/*
 * Serves until SIGINT or SIGTERM, and returns the exit status. In the
 * background it returns when both servers listen, and another process serves.
 * The options' directory and socket are filled here.
 */
int local_serve(struct stack_options *options, bool background);

#endif
