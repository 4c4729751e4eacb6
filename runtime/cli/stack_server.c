#include "cli/stack_server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

#define START_LIMIT 20000       /* ms until a server must listen */

long stack_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

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
    sigset_t none;
    char program[PATH_MAX];
    size_t size = sizeof program;
    pid_t pid = -1;

    if (uv_exepath(program, &size) != 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID
                                          | POSIX_SPAWN_SETSIGMASK);
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
    long deadline = stack_now() + START_LIMIT;
    char *address = NULL;

    while (!line.length || line.data[line.length - 1] != '\n') {
        long left = deadline - stack_now();

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
              "the %s did not start: %s", command, text);
}

/* The log of a server that starts; the last one is kept beside it. */
static char *begin_log(const char *directory, const char *command)
{
    char *log = memory_format("%s/%s.log", directory, command);
    char *old = memory_format("%s.old", log);

    rename(log, old);
    free(old);
    return log;
}

int stack_server_start(struct stack_server *server, const char *directory,
                       const char *command, bool verbose,
                       struct harp_error *error)
{
    char *config = memory_format("%s/%s.lua", directory, command);
    char *log = verbose ? NULL : begin_log(directory, command);
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

bool stack_server_has_ended(struct stack_server *server)
{
    if (server->pid <= 0 || waitpid(server->pid, NULL, WNOHANG) == 0)
        return false;
    server->pid = 0;
    close(server->lifeline);
    return true;
}

void stack_server_stop(struct stack_server *server)
{
    const struct timespec pause = { .tv_nsec = 2000000 };
    long deadline = stack_now() + STACK_STOP_LIMIT;

    free(server->address);
    server->address = NULL;
    if (server->pid <= 0)
        return;
    close(server->lifeline);
    while (waitpid(server->pid, NULL, WNOHANG) == 0) {
        if (stack_now() > deadline)
            kill(server->pid, SIGKILL);
        nanosleep(&pause, NULL);
    }
    server->pid = 0;
}
