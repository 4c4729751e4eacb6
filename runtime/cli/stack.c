#include "cli/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "bindings/embedded.h"
#include "bindings/harp.h"
#include "daemon/certificate.h"

#define START_LIMIT 20000       /* ms until a server must listen */
#define STOP_LIMIT 5000         /* ms until it must be gone */

struct server {
    pid_t pid;
    int lifeline;               /* open as long as it shall run */
    char *address;              /* what it listens on */
};

/* There is one stack a process; what stack_stop has to undo. */
static struct {
    char *directory;
    struct server keeper;       /* removes it */
    char *user;
    char *password;
    char pin[PIN_SIZE];
    struct server daemon;
    struct server dispatcher;
} stack;

/* ---- options ---- */

int stack_add_procedures(struct stack_options *options, const char *path)
{
    char *absolute = realpath(path, NULL);

    if (!absolute)
        return -1;
    options->procedures = memory_grow(options->procedures,
                                      (options->procedures_count + 1)
                                      * sizeof *options->procedures);
    options->procedures[options->procedures_count++] = absolute;
    return 0;
}

void stack_free_options(struct stack_options *options)
{
    for (size_t i = 0; i < options->procedures_count; i++)
        free(options->procedures[i]);
    free(options->procedures);
}

/* ms */
static long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* ---- files ---- */

static int failed(struct harp_error *error, const char *what,
                  const char *about)
{
    return error_set(error, USAGE_ERROR, "local_stack",
                     "local stack: %s %s: %s", what, about, strerror(errno));
}

static char *in_directory(const char *name)
{
    return memory_format("%s/%s", stack.directory, name);
}

static int write_file(const char *name, struct text text,
                      struct harp_error *error)
{
    char *path = in_directory(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int status = 0;

    if (fd < 0 || write(fd, text.data, text.length) != (ssize_t)text.length)
        status = failed(error, "cannot write", path);
    if (fd >= 0)
        close(fd);
    free(path);
    return status;
}

static int remove_entry(const char *path, const struct stat *status, int type,
                        struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    remove(path);
    return 0;
}

/*
 * The keeper's whole life: when its lifeline ends, and the servers, which may
 * be ending at the same time, let go, the directory goes.
 */
static _Noreturn void keep_directory(int lifeline)
{
    const struct timespec pause = { .tv_nsec = 50000000 };
    long deadline;
    char byte;

    setsid();                   /* Ctrl-C and hang-ups are not for it */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);
    while (read(lifeline, &byte, 1) == -1 && errno == EINTR)
        ;
    deadline = now() + STOP_LIMIT;
    while (nftw(stack.directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0
           && access(stack.directory, F_OK) == 0 && now() < deadline)
        nanosleep(&pause, NULL);
    _exit(0);
}

/* A process of its own: this one may be killed, and there are secrets. */
static int start_keeper(struct harp_error *error)
{
    int lifeline[2];

    if (pipe2(lifeline, O_CLOEXEC) != 0)
        return failed(error, "cannot make a pipe for", "its keeper");
    stack.keeper.pid = fork();
    if (stack.keeper.pid == 0) {
        close(lifeline[1]);
        keep_directory(lifeline[0]);
    }
    close(lifeline[0]);
    stack.keeper.lifeline = lifeline[1];
    if (stack.keeper.pid > 0)
        return 0;
    close(lifeline[1]);
    return failed(error, "cannot fork", "its keeper");
}

static int make_directory(struct harp_error *error)
{
    const char *parent = getenv("TMPDIR");
    char *path = memory_format("%s/harp-XXXXXX",
                               parent && *parent ? parent : "/tmp");

    if (!mkdtemp(path)) {
        failed(error, "cannot make the directory", path);
        free(path);
        return -1;
    }
    stack.directory = path;
    if (start_keeper(error) == 0)
        return 0;
    rmdir(path);
    return -1;
}

static char *random_word(void)
{
    unsigned char bytes[24];
    char word[2 * sizeof bytes + 1];

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        abort();
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(word + 2 * i, 3, "%02x", bytes[i]);
    return memory_string(word);
}

/* ---- configurations ---- */

/* A Lua string literal. */
static void quote(struct buffer *lua, const char *string)
{
    buffer_add_string(lua, "\"");
    for (; *string; string++) {
        if (strchr("\\\"\n", *string))
            buffer_add_string(lua, "\\");
        buffer_add(lua, string, 1);
    }
    buffer_add_string(lua, "\"");
}

static void set(struct buffer *lua, const char *name, const char *string)
{
    buffer_printf(lua, "%s = ", name);
    quote(lua, string);
    buffer_add_string(lua, "\n");
}

static void set_path(struct buffer *lua, const char *name, const char *file)
{
    char *path = in_directory(file);

    set(lua, name, path);
    free(path);
}

static void set_procedures(struct buffer *lua,
                           const struct stack_options *options)
{
    char *examples = in_directory("example.lua");

    buffer_add_string(lua, "procedures = { ");
    for (size_t i = 0; i < options->procedures_count; i++) {
        quote(lua, options->procedures[i]);
        buffer_add_string(lua, ", ");
    }
    if (options->procedures_count == 0)
        quote(lua, examples);
    buffer_add_string(lua, " }\n");
    free(examples);
}

static int write_daemon_config(const struct stack_options *options,
                               struct harp_error *error)
{
    struct buffer lua = { 0 };
    int status;

    buffer_add_string(&lua, "listen = \"127.0.0.1:0\"\n"
                            "lifeline = true\nmax_children = 1000\n"
                            "max_unauthenticated = 1000\n");
    set_path(&lua, "certificate", "daemon.crt");
    set_path(&lua, "key", "daemon.key");
    buffer_printf(&lua, "users = { [\"%s\"] = \"%s\" }\n", stack.user,
                  stack.password);
    set_procedures(&lua, options);
    status = write_file("daemon.lua", buffer_text(&lua), error);
    buffer_free(&lua);
    return status;
}

static void add_host(struct buffer *lua, struct text name)
{
    char *copy = text_copy(name);

    buffer_add_string(lua, "  [");
    quote(lua, copy);
    buffer_printf(lua, "] = { address = \"127.0.0.1\", port = %s, "
                  "user = \"%s\", password = \"%s\", pin = \"%s\" },\n",
                  strrchr(stack.daemon.address, ':') + 1, stack.user,
                  stack.password, stack.pin);
    free(copy);
}

static void add_hosts(struct buffer *lua, const char *names)
{
    buffer_add_string(lua, "hosts = {\n");
    add_host(lua, text_of("localhost"));
    while (names && *names) {
        size_t length = strcspn(names, ",");

        if (length)
            add_host(lua, (struct text){ names, length });
        names += length + (names[length] == ',');
    }
    buffer_add_string(lua, "}\n");
}

static int write_dispatcher_config(const struct stack_options *options,
                                   struct harp_error *error)
{
    struct buffer lua = { 0 };
    char *address = memory_format("unix:%s/dispatcher.socket",
                                  stack.directory);
    int status;

    set(&lua, "listen", address);
    set_path(&lua, "database", "dispatcher.db");
    buffer_add_string(&lua, "lifeline = true\n"
                            "max_running_per_host = 1000\n");
    add_hosts(&lua, options->hosts);
    status = write_file("dispatcher.lua", buffer_text(&lua), error);
    buffer_free(&lua);
    free(address);
    return status;
}

static const struct embedded *find_embedded(const char *name)
{
    const struct embedded *file = embedded_files;

    while (strcmp(file->name, name) != 0)
        file++;
    return file;
}

static int write_examples(struct harp_error *error)
{
    const struct embedded *file = find_embedded("procedures/example");

    return write_file("example.lua",
                      (struct text){ file->text, file->size }, error);
}

static int write_certificate(struct harp_error *error)
{
    char *certificate = in_directory("daemon.crt");
    char *key = in_directory("daemon.key");
    int status = certificate_create(certificate, key, "localhost", error);

    if (status == 0)
        status = certificate_pin(certificate, stack.pin, error);
    free(certificate);
    free(key);
    return status;
}

/* ---- processes ---- */

/* In a session of its own, so that Ctrl-C reaches the script alone. */
static pid_t spawn_server(const char *command, const char *config,
                          const char *log, int lifeline, int output)
{
    char *arguments[] = { (char *)(uintptr_t)"harp",
                          (char *)(uintptr_t)command,
                          (char *)(uintptr_t)"--config",
                          (char *)(uintptr_t)config, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char program[PATH_MAX];
    size_t size = sizeof program;
    pid_t pid = -1;

    if (uv_exepath(program, &size) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_adddup2(&actions, lifeline, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (log)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log,
                                         O_WRONLY | O_CREAT | O_APPEND, 0600);
    errno = posix_spawn(&pid, program, &actions, &attributes, arguments,
                        environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return errno ? -1 : pid;
}

/* The address behind "listening on ", or NULL when the server ended. */
static char *read_address(int output)
{
    static const char prefix[] = "listening on ";
    struct pollfd readable = { .fd = output, .events = POLLIN };
    struct buffer line = { 0 };
    long deadline = now() + START_LIMIT;
    char *address = NULL;

    while (!line.length || line.data[line.length - 1] != '\n') {
        long left = deadline - now();

        if (left <= 0 || poll(&readable, 1, (int)left) <= 0
            || read(output, buffer_reserve(&line, 1), 1) != 1)
            break;
        line.length++;
    }
    if (line.length > sizeof prefix && line.data[line.length - 1] == '\n'
        && memcmp(line.data, prefix, sizeof prefix - 1) == 0)
        address = memory_copy(line.data + sizeof prefix - 1,
                              line.length - sizeof prefix);
    buffer_free(&line);
    return address;
}

/* What a server wrote into its log before it gave up. */
static void explain(struct harp_error *error, const char *command,
                    const char *log)
{
    char text[320] = "it wrote nothing";
    FILE *file = log ? fopen(log, "r") : NULL;
    size_t length;

    if (file) {
        length = fread(text, 1, sizeof text - 1, file);
        if (length)
            text[length] = '\0';
        text[strcspn(text, "\n")] = '\0';
        fclose(file);
    }
    error_set(error, USAGE_ERROR, "local_stack",
              "local stack: the %s did not start: %s", command, text);
}

static int start_server(struct server *server, const char *command,
                        bool verbose, struct harp_error *error)
{
    char *config = memory_format("%s/%s.lua", stack.directory, command);
    char *log = verbose ? NULL
                        : memory_format("%s/%s.log", stack.directory, command);
    int lifeline[2], output[2];

    if (pipe2(lifeline, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0)
        abort();
    server->pid = spawn_server(command, config, log, lifeline[0], output[1]);
    server->lifeline = lifeline[1];
    close(lifeline[0]);
    close(output[1]);
    server->address = read_address(output[0]);
    close(output[0]);
    if (!server->address)
        explain(error, command, log);
    free(config);
    free(log);
    return server->address ? 0 : -1;
}

static void stop_server(struct server *server)
{
    const struct timespec pause = { .tv_nsec = 2000000 };
    long deadline = now() + STOP_LIMIT;

    free(server->address);
    server->address = NULL;
    if (server->pid <= 0)
        return;
    close(server->lifeline);
    while (waitpid(server->pid, NULL, WNOHANG) == 0) {
        if (now() > deadline)
            kill(server->pid, SIGKILL);
        nanosleep(&pause, NULL);
    }
    server->pid = 0;
}

/* ---- the stack ---- */

void stack_stop(void)
{
    if (!stack.directory)
        return;
    stop_server(&stack.dispatcher);
    stop_server(&stack.daemon);
    stop_server(&stack.keeper);
    free(stack.directory);
    free(stack.user);
    free(stack.password);
    stack.directory = stack.user = stack.password = NULL;
}

static int start_both(const struct stack_options *options,
                      struct harp_error *error)
{
    if (write_certificate(error) != 0
        || write_examples(error) != 0
        || write_daemon_config(options, error) != 0
        || start_server(&stack.daemon, "daemon", options->verbose, error) != 0
        || write_dispatcher_config(options, error) != 0
        || start_server(&stack.dispatcher, "dispatcher", options->verbose,
                        error) != 0)
        return -1;
    return 0;
}

int stack_start(const struct stack_options *options,
                struct local_stack *local, struct harp_error *error)
{
    if (make_directory(error) != 0)
        return -1;
    atexit(stack_stop);         /* a script may call os.exit */
    stack.user = memory_string("local");
    stack.password = random_word();
    if (start_both(options, error) != 0) {
        stack_stop();
        return -1;
    }
    *local = (struct local_stack){
        .caller = stack.dispatcher.address,
        .server = stack.daemon.address,
        .user = stack.user,
        .password = stack.password,
        .pin = stack.pin,
    };
    return 0;
}
