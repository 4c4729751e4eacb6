/* harp repl: a prompt, in a Lua state of its own. */
#include <getopt.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "bindings/harp.h"
#include "cli/cli.h"
#include "cli/lua_command.h"
#include "cli/stack.h"
#include "host/exit.h"
#include "host/state.h"
#include "host/task.h"
#include "net/trace.h"

struct options {
    struct stack_options stack;
    bool local;
};

/* What is wrong, as the exit status + 1. */
static int complain(const char *what, const char *about)
{
    fprintf(stderr, "harp repl: %s%s; see harp repl --help\n", what, about);
    return EXIT_USAGE + 1;
}

/* 0, or the exit status + 1 when there is to be no prompt. */
static int take_option(struct options *options, int option, char **argv)
{
    switch (option) {
    case 'c': setenv("HARP_CALLER", optarg, 1); return 0;
    case 'd': trace_on = true; return 0;
    case 'l': options->local = true; return 0;
    case 'h': return lua_command_help("repl") + 1;
    case ':': return complain("a value is missing after ", argv[optind - 1]);
    case '?': return complain("unknown option ", argv[optind - 1]);
    default:
        return stack_take_option(&options->stack, option, optarg) == 0
             ? 0 : complain("cannot read ", optarg);
    }
}

/* The same. */
static int read_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        { "caller", required_argument, NULL, 'c' },
        { "debug", no_argument, NULL, 'd' },
        { "local", no_argument, NULL, 'l' },
        STACK_OPTIONS,
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };
    int option, status = 0;

    opterr = 0;
    while (status == 0
           && (option = getopt_long(argc, argv, ":h", known, NULL)) != -1)
        status = take_option(options, option, argv);
    if (status == 0 && optind < argc)
        status = complain("it takes no script: ", argv[optind]);
    if (status == 0 && !options->local && stack_has_options(&options->stack))
        status = complain(STACK_NEEDS_LOCAL, "");
    return status;
}

/* The end of the prompt is that of its tasks, too. */
static int run_prompt(lua_State *L)
{
    int status;

    if (luaL_dostring(L, "require 'harp' local main = require 'harp.repl.main'"
                         " return function() main.start() os.exit() end")
        != LUA_OK)
        lua_error(L);
    if (task_run(L, 0) != 0 && !exit_was_asked(L, &status)) {
        task_join_report(L);
        fprintf(stderr, "harp: %s\n", lua_tostring(L, -1));
        return 1;
    }
    return exit_was_asked(L, &status) ? status : 0;
}

int cli_repl(int argc, char **argv)
{
    struct options options = { 0 };
    struct local_stack local;
    struct harp_error error;
    lua_State *L;
    int status = read_options(&options, argc, argv);

    if (status == 0 && options.local
        && stack_start(&options.stack, &local, &error) != 0) {
        fprintf(stderr, "harp: %s\n", error.message);
        status = 2;
    }
    stack_free_options(&options.stack);
    if (status != 0)
        return status - 1;
    descriptors_raise();
    L = state_new(luaopen_harp);
    if (options.local)
        harp_use_local(L, &local);
    exit_open(L);
    scheduler_catch_interrupts(L);
    status = run_prompt(L);
    exit_close(L);
    stack_stop();
    return status;
}
