#include "bindings/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

/* The descriptors of a start: the program's ends, and ours. -1: not there. */
struct start {
    int directory;
    int input;
    int output[2];
    int errors[2];
};

static void close_one(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

static void close_all(struct start *start)
{
    close_one(&start->directory);
    close_one(&start->input);
    for (int i = 0; i < 2; i++) {
        close_one(&start->output[i]);
        close_one(&start->errors[i]);
    }
}

/* ---- what it is given ---- */

static int write_all(int descriptor, struct text text)
{
    while (text.length) {
        ssize_t written = write(descriptor, text.data, text.length);

        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            text.data += written;
            text.length -= (size_t)written;
        }
    }
    return 0;
}

/*
 * A file of memory, not a pipe: it holds any size, so that nothing is written
 * while the program runs, and a program that does not read breaks nothing.
 */
static int open_input(struct text text)
{
    int descriptor;

    if (!text.data)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    descriptor = memfd_create("harp.exec", MFD_CLOEXEC);
    if (descriptor >= 0 && (write_all(descriptor, text) != 0
                            || lseek(descriptor, 0, SEEK_SET) != 0))
        close_one(&descriptor);
    return descriptor;
}

static int open_streams(const struct program *program, struct start *start)
{
    start->input = open_input(program->input);
    if (start->input < 0 || pipe2(start->output, O_CLOEXEC) != 0)
        return -1;
    if (program->errors == ERRORS_APART)
        return pipe2(start->errors, O_CLOEXEC);
    return 0;
}

/* ---- the start ---- */

static int fail(struct harp_error *error, int number, const char *what,
                const char *name, const char *reason)
{
    char type[32];

    return error_set(error, COMMAND_ERROR,
                     error_name(number, type, sizeof type), "cannot %s %s: %s",
                     what, name, reason ? reason : strerror(number));
}

static int enter_directory(const char *directory, struct start *start,
                           struct harp_error *error)
{
    if (!directory)
        return 0;
    start->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return start->directory >= 0
        ? 0 : fail(error, errno, "run a command in", directory, NULL);
}

/*
 * In the order of their numbers: ours may be among the first three where this
 * process has closed one of those, and are read before they are replaced.
 */
static void add_actions(posix_spawn_file_actions_t *actions,
                        enum program_errors errors, const struct start *start)
{
    if (start->directory >= 0)
        posix_spawn_file_actions_addfchdir_np(actions, start->directory);
    posix_spawn_file_actions_adddup2(actions, start->input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(actions, start->output[1],
                                     STDOUT_FILENO);
    if (errors == ERRORS_APART)
        posix_spawn_file_actions_adddup2(actions, start->errors[1],
                                         STDERR_FILENO);
    else if (errors == ERRORS_MERGED)
        posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO,
                                         STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

static void set_signals(posix_spawnattr_t *attributes)
{
    sigset_t set;

    sigfillset(&set);
    posix_spawnattr_setsigdefault(attributes, &set);
    sigemptyset(&set);
    posix_spawnattr_setsigmask(attributes, &set);
    posix_spawnattr_setflags(attributes,
                             POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

/* 0 and the process, or a number of errno. */
/* Is there such a file in a directory of PATH that can be looked into? */
static bool is_in_path(const char *name)
{
    const char *path = getenv("PATH");
    bool found = false;

    while (path && *path && !found) {
        size_t length = strcspn(path, ":");
        char *file = memory_format("%.*s/%s", (int)length, path, name);

        found = access(file, F_OK) == 0;
        free(file);
        path += length + (path[length] == ':');
    }
    return found;
}

static int spawn(const struct program *program, const struct start *start,
                 pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int number;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    add_actions(&actions, program->errors, start);
    set_signals(&attributes);
    number = posix_spawnp(pid, program->words[0], &actions, &attributes,
                          program->words, program->environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return number;
}

/* A pidfd; where there are none (under valgrind), what ticks. */
static int open_watch(pid_t pid)
{
    struct timespec tick = { .tv_nsec = 10 * 1000 * 1000 };
    struct itimerspec ticks = { tick, tick };
    int watch = pidfd_open(pid, 0);

    if (watch < 0 && errno == ENOSYS) {
        watch = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        timerfd_settime(watch, 0, &ticks, NULL);
    }
    return watch;
}

/* Its number is its own until it was waited for, which only we do. */
static int watch(struct program_ends *ends)
{
    int number;

    ends->watch = open_watch(ends->pid);
    if (ends->watch >= 0)
        return 0;
    number = errno;
    kill(ends->pid, SIGKILL);
    waitpid(ends->pid, NULL, 0);
    return number;
}

static int run(const struct program *program, const struct start *start,
               struct program_ends *ends, struct harp_error *error)
{
    const char *name = program->words[0];
    int number = spawn(program, start, &ends->pid);

    /* One that cannot be looked into is "permission denied" for all others. */
    if (!strchr(name, '/')
        && (number == ENOENT || (number == EACCES && !is_in_path(name))))
        return fail(error, ENOENT, "run", name, "not found in PATH");
    if (number == 0)
        number = watch(ends);
    return number == 0 ? 0 : fail(error, number, "run", name, NULL);
}

int program_start(const struct program *program, struct program_ends *ends,
                  struct harp_error *error)
{
    struct start start = { -1, -1, { -1, -1 }, { -1, -1 } };
    int status = enter_directory(program->directory, &start, error);

    if (status == 0 && open_streams(program, &start) != 0)
        status = fail(error, errno, "run", program->words[0], NULL);
    if (status == 0)
        status = run(program, &start, ends, error);
    if (status == 0) {
        ends->output = start.output[0];
        ends->errors = start.errors[0];
        start.output[0] = start.errors[0] = -1;
    }
    close_all(&start);
    return status;
}
