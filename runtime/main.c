#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/version.h"
#include "cli/cli.h"

static int help(int argc, char **argv);
static int version(int argc, char **argv);

/* The one list of subcommands: main looks here, and so does help. */
static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *synopsis;
    const char *purpose;
} commands[] = {
    { "run", cli_run, "[run] [--local] SCRIPT [ARG…]",
      "run a recipe ('-' is standard input)" },
    { "-e", cli_run, "-e CODE [ARG…]", "run a line of Lua" },
    { "dispatcher", cli_dispatcher, "dispatcher --config FILE",
      "the dispatcher: queues calls, keeps their results" },
    { "daemon", cli_daemon, "daemon --config FILE",
      "the daemon: runs procedures on this machine" },
    { "help", help, "help", "this list" },
    { "version", version, "version", "the version" },
};

#define COMMANDS (sizeof commands / sizeof *commands)

static void list(FILE *out)
{
    fputs("harp: remote calls from Lua\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  harp %-32s %s\n", commands[i].synopsis,
                commands[i].purpose);
    fputs("\nharp COMMAND --help says more.\n", out);
}

static int help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    list(stdout);
    return 0;
}

static int version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("harp " VERSION);
    return 0;
}

static const struct command *find(const char *name)
{
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/*
 * A standard stream that is closed would be the next file that is opened.
 * What is written to such a one still fails.
 */
static void fill_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    const struct command *command;

    fill_streams();
    if (argc < 2) {
        list(stderr);
        return EXIT_USAGE;
    }
    command = find(argv[1]);
    if (!command || command->run == cli_run) {
        /* What is no command is a script, or an option of run. */
        int skipped = command && strcmp(command->name, "run") == 0;

        return cli_run(argc - skipped, argv + skipped);
    }
    return command->run(argc - 1, argv + 1);
}
