/* harp local: the user's own dispatcher and daemon. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "cli/cli.h"
#include "cli/local_serve.h"
#include "cli/lua_command.h"
#include "cli/options.h"
#include "cli/stack.h"
#include "host/standing.h"

#define STOP_TRIES 1500         /* 10 ms each */
#define RELOAD_TRIES 300

struct options {
    struct stack_options stack;
    bool background;
    int (*action)(void);        /* instead of serving; NULL */
    const char *action_name;
};

static void pause_briefly(void)
{
    const struct timespec pause = { .tv_nsec = 10000000 };

    nanosleep(&pause, NULL);
}

/* ---- actions on the one that runs ---- */

static int none_runs(void)
{
    fprintf(stderr, "harp local: none runs; harp local --background starts "
            "one\n");
    return 1;
}

static int show_status(void)
{
    return lua_command("local_status", 0, NULL);
}

static int stop(void)
{
    pid_t pid = standing_look(NULL);

    if (!pid)
        return none_runs();
    if (kill(pid, SIGTERM) != 0 && errno != ESRCH) {
        fprintf(stderr, "harp local: cannot end process %ld: %s\n", (long)pid,
                strerror(errno));
        return 1;
    }
    for (int i = 0; i < STOP_TRIES; i++) {
        if (standing_look(NULL) != pid) {
            printf("harp local: ended\n");
            return 0;
        }
        pause_briefly();
    }
    fprintf(stderr, "harp local: process %ld does not end; kill -9 would, and "
            "its servers with it\n", (long)pid);
    return 1;
}

/* What a line of the daemon's log says of a reload: 1, -1, or 0 nothing. */
static int judge(const char *line)
{
    const char *refusal = strstr(line, "harp daemon: warning: not reloaded");

    if (refusal)
        fprintf(stderr, "harp local: %s", strstr(refusal, "not reloaded"));
    return refusal ? -1 : strstr(line, "harp daemon: reloaded") != NULL;
}

/* The same of what the log has got behind `from`. */
static int look_for_reload(const char *log, off_t from)
{
    FILE *file = fopen(log, "re");
    char *line = NULL;
    size_t size = 0;
    int outcome = 0;

    if (!file)
        return 0;
    fseeko(file, from, SEEK_SET);
    while (!outcome && getline(&line, &size, file) > 0
           && line[strlen(line) - 1] == '\n')
        outcome = judge(line);
    free(line);
    fclose(file);
    return outcome;
}

static int reload(void)
{
    pid_t pid = standing_look(NULL);
    struct stat before = { 0 };
    int outcome = 0;
    char *log;

    if (!pid)
        return none_runs();
    log = standing_file("daemon.log");
    stat(log, &before);
    kill(pid, SIGHUP);
    for (int i = 0; outcome == 0 && i < RELOAD_TRIES; i++) {
        pause_briefly();
        outcome = look_for_reload(log, before.st_size);
    }
    if (outcome > 0)
        printf("harp local: the procedures are loaded again\n");
    else if (outcome == 0)
        fprintf(stderr, "harp local: the daemon was told, but has not said "
                "what came of it in %s\n", log);
    free(log);
    return outcome > 0 ? 0 : 1;
}

/* ---- options ---- */

static const struct option known[] = {
    STACK_OPTIONS,
    { "background", no_argument, NULL, 'b' },
    { "status", no_argument, NULL, 's' },
    { "stop", no_argument, NULL, 'S' },
    { "reload", no_argument, NULL, 'r' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 }
};

static const struct option_reader reader = { "harp local", "local", ":h",
                                             known };

static int take_action(struct options *options, int (*action)(void),
                       const char *name)
{
    if (options->action && options->action != action)
        return options_complain(&reader, "one at a time of --status, --stop "
                                "and --reload", "");
    options->action = action;
    options->action_name = name;
    return 0;
}

static int take_option(void *owner, int option)
{
    struct options *options = owner;

    switch (option) {
    case 'b': options->background = true; break;
    case 's': return take_action(options, show_status, "--status");
    case 'S': return take_action(options, stop, "--stop");
    case 'r': return take_action(options, reload, "--reload");
    }
    return 0;
}

/* 0, or the exit status + 1 when there is nothing to do. */
static int read_options(struct options *options, int argc, char **argv)
{
    const struct stack_options *stack = &options->stack;
    int status = options_read(&reader, argc, argv, &options->stack,
                              take_option, options);

    if (status != 0)
        return status;
    if (optind < argc)
        return options_complain(&reader, "it takes no argument: ",
                                argv[optind]);
    if (options->action && (options->background || stack_has_options(stack)))
        return options_complain(&reader, "other options are of no use with ",
                                options->action_name);
    if (options->background && stack->verbose)
        return options_complain(&reader, "--verbose is of no use with "
                                "--background; the logs are files", "");
    return 0;
}

int cli_local(int argc, char **argv)
{
    struct options options = { 0 };
    int status = read_options(&options, argc, argv);

    if (status == 0)
        status = 1 + (options.action
                      ? options.action()
                      : local_serve(&options.stack, options.background));
    stack_free_options(&options.stack);
    return status - 1;
}
