#include "cli/options.h"

#include <stdio.h>

#include "base/error.h"
#include "cli/cli.h"
#include "cli/lua_command.h"
#include "cli/stack.h"

int options_complain(const struct option_reader *reader, const char *what,
                     const char *about)
{
    fprintf(stderr, "%s: %s%s; see harp %s --help\n", reader->program, what,
            about, reader->command);
    return EXIT_USAGE + 1;
}

/* One that every command has; -1 when it is none of these. */
static int take_common(const struct option_reader *reader, int option,
                       char **argv, struct stack_options *stack)
{
    struct harp_error error;

    switch (option) {
    case 'h': return lua_command_help(reader->command) + 1;
    case ':': return options_complain(reader, "a value is missing after ",
                                      argv[optind - 1]);
    case '?': return options_complain(reader, "unknown option ",
                                      argv[optind - 1]);
    case STACK_HOSTS: case STACK_PROCEDURES: case STACK_VERBOSE:
        return stack_take_option(stack, option, optarg, &error) == 0
             ? 0 : options_complain(reader, error.message, "");
    default: return -1;
    }
}

int options_read(const struct option_reader *reader, int argc, char **argv,
                 struct stack_options *stack,
                 int (*take)(void *owner, int option), void *owner)
{
    int option, status = 0;

    opterr = 0;
    while (status == 0
           && (option = getopt_long(argc, argv, reader->letters,
                                    reader->known, NULL)) != -1) {
        status = take_common(reader, option, argv, stack);
        if (status < 0)
            status = take(owner, option);
    }
    return status == OPTIONS_END ? 0 : status;
}
