/* harp run: a recipe, in a Lua state of its own. */
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/memory.h"
#include "bindings/harp.h"
#include "cli/cli.h"
#include "cli/lua_command.h"
#include "cli/options.h"
#include "cli/stack.h"
#include "host/exit.h"
#include "host/state.h"
#include "host/task.h"
#include "net/trace.h"

struct options {
    struct stack_options stack;
    bool local;
    const char *code;
    const char *resume;         /* a run, instead of a script */
};

/* Is this word a command, where a script is meant to stand? */
static bool is_command(const char *word)
{
    const char *name;

    for (int i = 0; (name = cli_name(i)); i++)
        if (strcmp(name, word) == 0)
            return access(word, F_OK) != 0;
    return false;
}

static int take_option(void *owner, int option)
{
    struct options *options = owner;

    switch (option) {
    case 'd': trace_on = true; break;
    case 'l': options->local = true; break;
    case 'e': options->code = optarg; return OPTIONS_END;
    case 'r': options->resume = optarg; break;
    }
    return 0;
}

/* 0, or the exit status + 1 when there is nothing to run. */
static int read_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        { "debug", no_argument, NULL, 'd' },
        { "local", no_argument, NULL, 'l' },
        { "resume", required_argument, NULL, 'r' },
        STACK_OPTIONS,
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };
    static const struct option_reader reader = { "harp", "run", "+:e:h",
                                                 known };
    int status = options_read(&reader, argc, argv, &options->stack,
                              take_option, options);

    if (status != 0)
        return status;
    if (options->resume && (options->code || optind < argc))
        return options_complain(&reader, "--resume runs the script of the "
                                "run, with its arguments: give no other", "");
    if (!options->code && !options->resume && optind == argc)
        return options_complain(&reader, "no script to run", "");
    if (!options->code && !options->resume && is_command(argv[optind]))
        return options_complain(&reader, "a command comes first, and its "
                                "options behind it: ", argv[optind]);
    if (!options->local && stack_has_options(&options->stack))
        return options_complain(&reader, STACK_NEEDS_LOCAL, "");
    return 0;
}

/* [-0, +0, m] arg as lua5.4 has it; the script's arguments begin at `at`. */
static void set_arg(lua_State *L, int argc, char **argv, int at)
{
    lua_createtable(L, argc - at, at + 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i - at + 1);
    }
    lua_setglobal(L, "arg");
}

static int report(const char *message)
{
    fprintf(stderr, "harp: %s\n", message ? message : "(no message)");
    return 1;
}

/* What a script printed may never have arrived: a full disk, say. */
static int check_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return report("some of standard output is lost: it could not be written; "
                  "is a disk full?");
}

/* [-2, +0, m] an error and its traceback: a message, and the exit status. */
static int report_failure(lua_State *L)
{
    lua_pushboolean(L, scheduler_was_interrupted(L));
    if (luaL_loadstring(L, "require 'harp' "
                           "return require('harp.outcome').report(...)")
        != LUA_OK)
        return report(lua_tostring(L, -1));
    lua_insert(L, -4);
    if (lua_pcall(L, 3, 2, 0) != LUA_OK)
        return report(lua_tostring(L, -1));
    report(lua_tostring(L, -2));
    return (int)lua_tointeger(L, -1);
}

/*
 * [-0, +0, m] modules beside the script come before all others. A directory
 * that a path cannot name is left out.
 */
static void add_directory(lua_State *L, const char *script)
{
    char *path = realpath(script, NULL), *slash = path ? strrchr(path, '/') : NULL;

    if (slash) {
        *slash = '\0';
        if (!strpbrk(path, ";?")) {
            lua_getglobal(L, "package");
            lua_getfield(L, -1, "path");
            lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", path, path,
                            lua_tostring(L, -1));
            lua_setfield(L, -3, "path");
            lua_pop(L, 2);
        }
    }
    free(path);
}

/* [-0, +0, v] repl() in a script; loaded when it is called. */
static void offer_prompt(lua_State *L)
{
    if (luaL_dostring(L, "function repl() return require('harp').repl() end"))
        lua_error(L);
}

/*
 * [-0, +0, m] 0, or the exit status that the runs of a script have by which
 * hosts of them failed.
 */
static int status_of_batches(lua_State *L)
{
    int status;

    if (luaL_dostring(L, "local batch = package.loaded['harp.batch'] "
                         "return batch and batch.status() or 0") != LUA_OK)
        return report(lua_tostring(L, -1));
    status = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return status;
}

static int run_script(lua_State *L, const struct options *options, int argc,
                      char **argv)
{
    const char *name = options->code ? "-e" : argv[optind++];
    int status;

    set_arg(L, argc, argv, optind);
    if (options->code)
        status = luaL_loadbufferx(L, options->code, strlen(options->code),
                                  "=(command line)", "t");
    else if (strcmp(name, "-") == 0)
        status = luaL_loadfile(L, NULL);
    else {
        add_directory(L, name);
        status = luaL_loadfile(L, name);
    }
    if (status != LUA_OK)
        return report(lua_tostring(L, -1));
    luaL_checkstack(L, argc, "too many arguments");
    for (int i = optind; i < argc; i++)
        lua_pushstring(L, argv[i]);
    status = task_run(L, argc - optind);
    if (exit_was_asked(L, &status))
        return status;
    return status == 0 ? status_of_batches(L) : report_failure(L);
}

/* ---- runs that go on ---- */

/*
 * [-0, +1, m] the words of the program that began a run, "script" or "command"
 * first; or nil, and what is wrong was said.
 */
static void push_words(lua_State *L, const char *run)
{
    if (luaL_loadstring(L, "require 'harp' local session = require "
                           "'harp.batch.session' return session.words(...)")
        != LUA_OK)
        lua_error(L);
    lua_pushstring(L, run);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        report(luaL_tolstring(L, -1, NULL));
        lua_pop(L, 2);
        lua_pushnil(L);
    }
}

/* Runs the script of a run again, or the command. */
static int run_again(lua_State *L, const struct options *options)
{
    char **words;
    int count, status;

    push_words(L, options->resume);
    if (lua_isnil(L, -1))
        return 2;
    count = (int)lua_rawlen(L, -1);
    words = memory_new((size_t)(count + 1) * sizeof *words);
    for (int i = 0; i < count; i++) {
        lua_rawgeti(L, -1, i + 1);      /* the table keeps it */
        words[i] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    if (strcmp(words[0], "command") == 0) {
        status = lua_command(words[1], count - 2, words + 2);
    } else {
        optind = 1;
        status = run_script(L, options, count, words);
    }
    free(words);
    return status;
}

int cli_run(int argc, char **argv)
{
    struct options options = { 0 };
    struct local_stack local;
    struct harp_error error;
    lua_State *L;
    int status = read_options(&options, argc, argv);

    if (status == 0 && options.local
        && stack_start(&options.stack, &local, &error) != 0) {
        error_prefix(&error, "local stack");
        status = report(error.message) + 1;
    }
    stack_free_options(&options.stack);
    if (status != 0)
        return status - 1;
    descriptors_raise();
    L = state_new(harp_modules);
    if (options.local)
        harp_use_local(L, &local);
    exit_open(L);
    offer_prompt(L);
    scheduler_catch_interrupts(L);
    status = options.resume ? run_again(L, &options)
                            : run_script(L, &options, argc, argv);
    exit_close(L);
    stack_stop();
    return status == 0 ? check_output() : status;
}
