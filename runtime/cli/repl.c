/* harp repl: a prompt, in a Lua state of its own. */
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
#include "cli/options.h"
#include "cli/stack.h"
#include "host/exit.h"
#include "host/state.h"
#include "host/task.h"
#include "net/trace.h"

struct options {
    struct stack_options stack;
    bool local;
};

static int take_option(void *owner, int option)
{
    struct options *options = owner;

    switch (option) {
    case 'c': setenv("HARP_CALLER", optarg, 1); break;
    case 'd': trace_on = true; break;
    case 'l': options->local = true; break;
    }
    return 0;
}

/* 0, or the exit status + 1 when there is to be no prompt. */
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
    static const struct option_reader reader = { "harp repl", "repl", ":h",
                                                 known };
    int status = options_read(&reader, argc, argv, &options->stack,
                              take_option, options);

    if (status != 0)
        return status;
    if (optind < argc)
        return options_complain(&reader, "it takes no script: ",
                                argv[optind]);
    if (!options->local && stack_has_options(&options->stack))
        return options_complain(&reader, STACK_NEEDS_LOCAL, "");
    return 0;
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
    L = state_new(harp_modules);
    if (options.local)
        harp_use_local(L, &local);
    exit_open(L);
    scheduler_catch_interrupts(L);
    status = run_prompt(L);
    exit_close(L);
    stack_stop();
    return status;
}
