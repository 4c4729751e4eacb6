/* harp run: a recipe, in a Lua state of its own. */
#include <getopt.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/memory.h"
#include "bindings/harp.h"
#include "cli/cli.h"
#include "cli/lua_command.h"
#include "cli/stack.h"
#include "host/state.h"
#include "host/task.h"

struct options {
    struct stack_options stack;
    bool local;
    const char *code;
};

static int complain(const char *what, const char *about)
{
    fprintf(stderr, "harp: %s%s; see harp run --help\n", what, about);
    return EXIT_USAGE;
}

/* 0, or the exit status + 1 when there is nothing to run. */
static int read_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        { "local", no_argument, NULL, 'l' },
        { "hosts", required_argument, NULL, 'H' },
        { "procedures", required_argument, NULL, 'p' },
        { "verbose", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "+:e:h", known, NULL)) != -1) {
        switch (option) {
        case 'l': options->local = true; break;
        case 'H': options->stack.hosts = optarg; break;
        case 'v': options->stack.verbose = true; break;
        case 'e': options->code = optarg; break;
        case 'p':
            if (stack_add_procedures(&options->stack, optarg) != 0)
                return complain("cannot read ", optarg) + 1;
            break;
        case 'h': lua_command_help("run"); return 1;
        case ':': return complain("a value is missing after ",
                                  argv[optind - 1]) + 1;
        default: return complain("unknown option ", argv[optind - 1]) + 1;
        }
        if (option == 'e')      /* what follows is the script's */
            break;
    }
    if (!options->code && optind == argc)
        return complain("no script to run", "") + 1;
    if (!options->local && (options->stack.hosts || options->stack.verbose
                            || options->stack.procedures_count))
        return complain("--hosts, --procedures and --verbose need --local",
                        "") + 1;
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

/* Against stock dispatchers each request has a connection. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
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
    else
        status = luaL_loadfile(L, strcmp(name, "-") == 0 ? NULL : name);
    if (status != LUA_OK)
        return report(lua_tostring(L, -1));
    luaL_checkstack(L, argc, "too many arguments");
    for (int i = optind; i < argc; i++)
        lua_pushstring(L, argv[i]);
    return task_run(L, argc - optind) == 0 ? 0 : report(lua_tostring(L, -1));
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
    raise_file_limit();
    L = state_new(luaopen_harp);
    if (options.local)
        harp_use_local(L, &local);
    scheduler_catch_interrupts(L);
    status = run_script(L, &options, argc, argv);
    state_close(L);
    stack_stop();
    return status == 0 ? check_output() : status;
}
