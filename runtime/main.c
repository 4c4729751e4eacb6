#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lua_command.h"

static int in_lua(int argc, char **argv);

/*
 * The one list of subcommands: main looks here, and so does help. What they
 * are for is in scripts/cli/.
 */
static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "run", cli_run },
    { "repl", cli_repl },
    { "check", in_lua },
    { "dispatcher", cli_dispatcher },
    { "daemon", cli_daemon },
    { "local", cli_local },
    { "call", in_lua },
    { "batch", in_lua },
    { "attach", in_lua },
    { "job", in_lua },
    { "jobs", in_lua },
    { "queues", in_lua },
    { "hosts", in_lua },
    { "procedures", in_lua },
    { "runs", in_lua },
    { "config", in_lua },
    { "help", in_lua },
    { "version", in_lua },
    { "completion", in_lua },
    { "complete", in_lua },
};

#define COMMANDS (int)(sizeof commands / sizeof *commands)

const char *cli_name(int index)
{
    return index < COMMANDS ? commands[index].name : NULL;
}

/* "--help" is "help", too. */
static const char *name_of(const char *word)
{
    if (strcmp(word, "-h") == 0)
        return "help";
    if (strcmp(word, "--help") == 0 || strcmp(word, "--version") == 0)
        return word + 2;
    return word;
}

static const struct command *find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int in_lua(int argc, char **argv)
{
    return lua_command(name_of(argv[0]), argc - 1, argv + 1);
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

/*
 * Is this word neither an option nor a file? What has a path is always meant
 * as a file.
 */
static bool is_unknown(const char *word)
{
    return *word != '-' && !strchr(word, '/') && access(word, F_OK) != 0
        && errno == ENOENT;
}

/* A prompt on a terminal; else standard input is a script, as lua has it. */
static int alone(char **argv)
{
    char input[] = "-", *arguments[] = { argv[0], input, NULL };

    return isatty(STDIN_FILENO) ? cli_repl(1, argv) : cli_run(2, arguments);
}

int main(int argc, char **argv)
{
    const struct command *command;

    fill_streams();
    if (argc == 1)
        return alone(argv);
    command = find(name_of(argv[1]));
    if (!command && is_unknown(argv[1]))
        return lua_command("unknown", 1, argv + 1);
    /* What is no command is a script, or an option of run. */
    return command ? command->run(argc - 1, argv + 1) : cli_run(argc, argv);
}
