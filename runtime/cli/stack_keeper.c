#include "cli/stack_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/stack_server.h"

static int failed(struct harp_error *error, const char *what)
{
    return error_set(error, USAGE_ERROR, "local_stack",
                     "cannot %s the keeper of the directory: %s", what,
                     strerror(errno));
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
static _Noreturn void keep(const char *directory, int lifeline)
{
    const struct timespec pause = { .tv_nsec = 50000000 };
    long deadline;
    char byte;

    setsid();                   /* Ctrl-C and hang-ups are not for it */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd);
    while (read(lifeline, &byte, 1) == -1 && errno == EINTR)
        ;
    deadline = stack_now() + STACK_STOP_LIMIT;
    while (nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0
           && access(directory, F_OK) == 0 && stack_now() < deadline)
        nanosleep(&pause, NULL);
    _exit(0);
}

int stack_keeper_start(struct stack_server *keeper, const char *directory,
                       struct harp_error *error)
{
    int lifeline[2];

    if (pipe2(lifeline, O_CLOEXEC) != 0)
        return failed(error, "make a pipe for");
    keeper->pid = fork();
    if (keeper->pid == 0) {
        close(lifeline[1]);
        keep(directory, lifeline[0]);
    }
    close(lifeline[0]);
    keeper->lifeline = lifeline[1];
    if (keeper->pid > 0)
        return 0;
    close(lifeline[1]);
    return failed(error, "start");
}
