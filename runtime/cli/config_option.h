/*
 * The options of the servers: --config FILE and, for those that can do
 * something else than to serve, what that is: an action such as --test.
 */
#ifndef HARP_CLI_CONFIG_OPTION_H
#define HARP_CLI_CONFIG_OPTION_H

#include <stdbool.h>

struct config_action {
    const char *name;           /* of the option; NULL ends a list of them */
    bool needs_file;
    int (*run)(const char *file);   /* its exit status */
};

struct config_option {
    const char *file;           /* NULL when an action does without */
    const struct config_action *action;     /* NULL to serve */
};

/*
 * Reads them. -1 when there is something to do, else the exit status: 0 after
 * --help. `actions` can be NULL.
 */
int config_option(int argc, char **argv,
                  const struct config_action *actions,
                  struct config_option *option);

#endif
