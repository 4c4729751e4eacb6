#include "cli/config_option.h"

#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"

int config_option(int argc, char **argv, const char *usage,
                  const char **config)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };
    int option;

    *config = NULL;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            *config = NULL;
            return 0;
        }
        if (option != 'c')
            break;
        *config = optarg;
    }
    if (option == -1 && optind == argc && *config)
        return 0;
    *config = NULL;
    fprintf(stderr, "harp %s: it takes --config FILE and nothing else; "
            "see harp %s --help\n", argv[0], argv[0]);
    return EXIT_USAGE;
}
