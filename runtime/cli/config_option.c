#include "cli/config_option.h"

#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/lua_command.h"

#define MOST_ACTIONS 4
#define ACTION 256              /* what getopt gives for the first of them */

/* The options as getopt takes them; room for two, the actions and the end. */
static void list_options(struct option *options,
                         const struct config_action *actions)
{
    *options++ = (struct option){ "config", required_argument, NULL, 'c' };
    *options++ = (struct option){ "help", no_argument, NULL, 'h' };
    for (int i = 0; actions && actions[i].name; i++)
        *options++ = (struct option){ actions[i].name, no_argument, NULL,
                                      ACTION + i };
    *options = (struct option){ NULL, 0, NULL, 0 };
}

static int refuse(const char *command)
{
    fprintf(stderr, "harp %s: it takes --config FILE and little else; "
            "see harp %s --help\n", command, command);
    return EXIT_USAGE;
}

int config_option(int argc, char **argv,
                  const struct config_action *actions,
                  struct config_option *option)
{
    struct option known[MOST_ACTIONS + 3];
    int found;

    *option = (struct config_option){ NULL, NULL };
    list_options(known, actions);
    opterr = 0;
    while ((found = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
        if (found == 'h')
            return lua_command_help(argv[0]);
        if (found == 'c')
            option->file = optarg;
        else if (found >= ACTION && !option->action)
            option->action = &actions[found - ACTION];
        else
            return refuse(argv[0]);
    }
    if (optind == argc
        && (option->file || (option->action && !option->action->needs_file)))
        return -1;
    return refuse(argv[0]);
}
