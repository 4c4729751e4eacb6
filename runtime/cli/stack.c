#include "cli/stack.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "bindings/harp.h"
#include "cli/stack_files.h"
#include "cli/stack_hosts.h"
#include "cli/stack_keeper.h"
#include "cli/stack_server.h"

/* What stack_stop has to undo. */
static struct {
    struct stack_files files;
    struct stack_server keeper;     /* of a directory of its own */
    struct stack_server daemon;
    struct stack_server dispatcher;
} stack;

/* ---- options ---- */

static int add_procedures(struct stack_options *options, const char *path,
                          struct harp_error *error)
{
    char *absolute = realpath(path, NULL);

    if (!absolute)
        return error_set(error, USAGE_ERROR, "usage", "cannot read %s", path);
    options->procedures = memory_grow(options->procedures,
                                      (options->procedures_count + 1)
                                      * sizeof *options->procedures);
    options->procedures[options->procedures_count++] = absolute;
    return 0;
}

static int take_hosts(struct stack_options *options, const char *text,
                      struct harp_error *error)
{
    free(options->host_names);
    options->hosts = text;
    options->host_names = stack_hosts_expand(text, error);
    return options->host_names ? 0 : error_prefix(error, "--hosts");
}

int stack_take_option(struct stack_options *options, int option,
                      const char *value, struct harp_error *error)
{
    switch (option) {
    case STACK_HOSTS: return take_hosts(options, value, error);
    case STACK_VERBOSE: options->verbose = true; return 0;
    default: return add_procedures(options, value, error);
    }
}

bool stack_has_options(const struct stack_options *options)
{
    return options->hosts || options->verbose || options->procedures_count;
}

void stack_free_options(struct stack_options *options)
{
    for (size_t i = 0; i < options->procedures_count; i++)
        free(options->procedures[i]);
    free(options->procedures);
    free(options->host_names);
}

/* ---- the start ---- */

static char *make_directory(struct harp_error *error)
{
    const char *parent = getenv("TMPDIR");
    char *path = memory_format("%s/harp-XXXXXX",
                               parent && *parent ? parent : "/tmp");

    if (!mkdtemp(path)) {
        error_set(error, USAGE_ERROR, "local_stack",
                  "cannot make the directory %s: %s", path, strerror(errno));
        free(path);
        return NULL;
    }
    if (stack_keeper_start(&stack.keeper, path, error) == 0)
        return path;
    rmdir(path);
    free(path);
    return NULL;
}

static int prepare(const struct stack_options *options,
                   struct harp_error *error)
{
    struct stack_files *files = &stack.files;

    files->directory = options->directory ? memory_string(options->directory)
                                          : make_directory(error);
    if (!files->directory)
        return -1;
    files->socket = options->socket
                  ? memory_string(options->socket)
                  : memory_format("%s/dispatcher.socket", files->directory);
    files->user = memory_string("local");
    files->password = stack_files_random_word();
    return 0;
}

static int start_both(const struct stack_options *options,
                      struct harp_error *error)
{
    struct stack_files *files = &stack.files;

    if (stack_files_for_daemon(files, options, error) != 0
        || stack_server_start(&stack.daemon, files->directory, "daemon",
                              options->verbose, error) != 0
        || stack_files_for_dispatcher(files, options, stack.daemon.address,
                                      error) != 0)
        return -1;
    return stack_server_start(&stack.dispatcher, files->directory,
                              "dispatcher", options->verbose, error);
}

int stack_start(const struct stack_options *options,
                struct local_stack *local, struct harp_error *error)
{
    if (prepare(options, error) != 0)
        return -1;
    atexit(stack_stop);         /* a script may call os.exit */
    if (start_both(options, error) != 0) {
        stack_stop();
        return -1;
    }
    *local = (struct local_stack){
        .caller = stack.dispatcher.address,
        .server = stack.daemon.address,
        .user = stack.files.user,
        .password = stack.files.password,
        .pin = stack.files.pin,
    };
    return 0;
}

/* ---- while it runs, and its end ---- */

void stack_reload(void)
{
    kill(stack.daemon.pid, SIGHUP);
}

const char *stack_ended(void)
{
    if (stack_server_has_ended(&stack.daemon))
        return "daemon";
    return stack_server_has_ended(&stack.dispatcher) ? "dispatcher" : NULL;
}

void stack_stop(void)
{
    if (!stack.files.directory)
        return;
    stack_server_stop(&stack.dispatcher);
    stack_server_stop(&stack.daemon);
    stack_server_stop(&stack.keeper);
    stack_files_free(&stack.files);
}
