#include "cli/local_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/home.h"
#include "base/memory.h"
#include "bindings/harp.h"
#include "cli/local_socket.h"
#include "cli/stack.h"
#include "host/standing.h"
#include "wire/json.h"

#define LEFTOVER_LIMIT 1000     /* times 10 ms until others' servers are gone */

static int complain(const char *what, const char *about)
{
    fprintf(stderr, "harp local: %s %s: %s\n", what, about, strerror(errno));
    return -1;
}

/* ---- the directory ---- */

/* With all that leads to it, and for nobody else. */
static int make_directory(char *path)
{
    struct stat status;

    if (home_make_above(path) != 0
        || (mkdir(path, 0700) != 0 && errno != EEXIST)
        || stat(path, &status) != 0)
        return complain("cannot make", path);
    if (status.st_uid != geteuid())
        errno = EPERM;
    else if (S_ISDIR(status.st_mode) && chmod(path, 0700) == 0)
        return 0;
    return complain("cannot use", path);
}

/* ---- one at a time ---- */

/* The lock that says who runs; -1 when that is another one. */
static int hold(void)
{
    pid_t holder;
    int lock = standing_hold(&holder);

    if (lock < 0 && holder)
        fprintf(stderr, "harp local: one runs already (process %ld); harp "
                "local --stop ends it, harp local --status tells of it\n",
                (long)holder);
    else if (lock < 0)
        complain("cannot lock", "its file \"running\"");
    return lock;
}

/*
 * The servers share a second lock, by a descriptor that they inherit: those of
 * one that was killed may take a moment to end.
 */
static int wait_for_leftovers(void)
{
    const struct timespec pause = { .tv_nsec = 10000000 };
    char *path = standing_file("servers");
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    int status = -1;

    for (int i = 0; fd >= 0 && status != 0 && i < LEFTOVER_LIMIT; i++) {
        status = flock(fd, LOCK_EX | LOCK_NB);
        if (status != 0 && errno != EWOULDBLOCK)
            break;
        if (status != 0)
            nanosleep(&pause, NULL);
    }
    if (status != 0)
        complain("cannot lock", path);
    free(path);
    return status;
}

/* ---- what it says ---- */

static void add_member(struct buffer *json, const char *name,
                       const char *value)
{
    buffer_printf(json, "\"%s\":", name);
    json_write_message(json, value);
    buffer_add_string(json, ",");
}

/* To those who look for it. */
static int publish(int lock, const struct stack_options *options,
                   const struct local_stack *stack)
{
    struct buffer json = { 0 };
    int status;

    buffer_add_string(&json, "{");
    add_member(&json, "caller", stack->caller);
    add_member(&json, "server", stack->server);
    add_member(&json, "user", stack->user);
    add_member(&json, "password", stack->password);
    add_member(&json, "pin", stack->pin);
    add_member(&json, "directory", options->directory);
    add_member(&json, "hosts", options->hosts ? options->hosts : "");
    buffer_printf(&json, "\"verbose\":%s,\"since\":%lld,\"pid\":%ld}\n",
                  options->verbose ? "true" : "false",
                  (long long)time(NULL), (long)getpid());
    status = standing_say(lock, buffer_text(&json));
    buffer_wipe(&json);
    return status == 0 ? 0 : complain("cannot write", "its file \"running\"");
}

/* To people. */
static void tell(const struct stack_options *options, bool background)
{
    printf("harp local: a dispatcher and a daemon of your own run%s.\n"
           "Try:  harp hosts    harp procedures localhost    harp\n"
           "Jobs and logs are in %s.\n",
           background ? "; harp local --stop ends them"
                      : ", until Ctrl-C",
           options->directory);
    fflush(stdout);
}

/* ---- signals ---- */

/* From here on they wait until wait_for_end asks for them. */
static void hold_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGCHLD);
    sigprocmask(SIG_BLOCK, set, NULL);
}

static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The exit status. SIGHUP is also what comes when the terminal goes. */
static int wait_for_end(const sigset_t *set, const char *directory)
{
    bool terminal = has_terminal();
    const char *ended = NULL;

    while (!ended) {
        int number = sigwaitinfo(set, NULL);

        if (number == SIGINT && isatty(STDOUT_FILENO))
            putchar('\n');         /* it has shown "^C", and no more */
        if (number == SIGINT || number == SIGTERM
            || (number == SIGHUP && terminal && !has_terminal()))
            return 0;
        if (number == SIGHUP)
            stack_reload();
        ended = stack_ended();
    }
    fprintf(stderr, "harp local: the %s has ended; its log is %s/%s.log\n",
            ended, directory, ended);
    return 1;
}

/* ---- from start to end ---- */

/* `ready` is closed behind a byte when both listen; -1: nobody waits. */
static void say_ready(const struct stack_options *options, int ready)
{
    char *log = standing_file("local.log");
    int null, file;

    if (ready < 0) {
        tell(options, false);
    } else if (write(ready, "", 1) == 1) {
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        file = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(file >= 0 ? file : null, STDERR_FILENO);
        close(ready);
    }
    free(log);
}

static int serve(struct stack_options *options, int ready)
{
    struct local_stack stack;
    struct harp_error error;
    sigset_t signals;
    char *socket;
    int lock, status = 1;

    lock = hold();
    if (lock < 0 || wait_for_leftovers() != 0)
        return 1;
    hold_signals(&signals);
    options->socket = socket = local_socket_place(options->directory);
    if (!socket) {
        complain("cannot have", "a socket with a short name");
    } else if (stack_start(options, &stack, &error) != 0) {
        fprintf(stderr, "harp local: %s\n", error.message);
    } else if (publish(lock, options, &stack) == 0) {
        say_ready(options, ready);
        status = wait_for_end(&signals, options->directory);
    }
    stack_stop();
    local_socket_remove(options->directory);
    free(socket);
    if (ftruncate(lock, 0) != 0)
        complain("cannot empty", "its file \"running\"");
    close(lock);
    if (status == 0 && ready < 0)
        printf("harp local: ended; its jobs are kept\n");
    return status;
}

/* What became of the process that shall serve: its start, or its end. */
static int wait_for_start(pid_t pid, int ready,
                          const struct stack_options *options)
{
    char byte;
    int status = 0;
    ssize_t count;

    do
        count = read(ready, &byte, 1);
    while (count < 0 && errno == EINTR);
    if (count == 1) {
        tell(options, true);
        return 0;
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* In a session of its own, with nothing that was open here. */
static int detach(struct stack_options *options)
{
    int ready[2];
    pid_t pid;

    closefrom(STDERR_FILENO + 1);
    if (pipe2(ready, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
        complain("cannot start", "in the background");
        return 1;
    }
    if (pid > 0) {
        close(ready[1]);
        return wait_for_start(pid, ready[0], options);
    }
    close(ready[0]);
    setsid();
    if (chdir("/") != 0)
        complain("cannot go to", "/");
    return serve(options, ready[1]);
}

int local_serve(struct stack_options *options, bool background)
{
    char *directory = standing_file("");
    int status = 1;

    if (!directory) {
        fprintf(stderr, "harp local: there is no home directory\n");
        return 1;
    }
    directory[strlen(directory) - 1] = '\0';    /* the slash */
    options->directory = directory;
    if (make_directory(directory) == 0)
        status = background ? detach(options) : serve(options, -1);
    free(directory);
    return status;
}
