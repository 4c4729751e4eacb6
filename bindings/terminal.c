#include "bindings/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"

#define COUNT(array) (sizeof (array) / sizeof *(array))
#define PAGE 4096
#define MOST_TAKEN (1 << 20)    /* bytes that stay in memory for nobody */

/* What ends a program, and would leave the terminal unusable. */
static const int fatal[] = { SIGHUP, SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE,
                             SIGSEGV, SIGTERM };

/*
 * What is kept is in a file in memory: no writer has to wait. It is never
 * made shorter, since a child may write just then; what was taken, all before
 * `taken`, is a hole.
 */
static struct {
    const struct terminal_owner *volatile owner;
    FILE *stream;
    int output, errors;         /* the standard ones, while they are kept */
    int drawn;                  /* one of the two */
    int kept;
    off_t taken;
    struct sigaction ends[COUNT(fatal)], stops;
} terminal = { .output = -1, .errors = -1, .kept = -1 };

/* Where a standard stream goes when it is not kept. */
static int output_of(int stream)
{
    if (terminal.owner && stream == STDOUT_FILENO)
        return terminal.output;
    return terminal.owner && stream == STDERR_FILENO ? terminal.errors : stream;
}

bool terminal_can_draw(int stream)
{
    const char *type = getenv("TERM");

    return isatty(output_of(stream)) && type && *type
        && strcmp(type, "dumb") != 0;
}

bool terminal_is_usable(void)
{
    return isatty(STDIN_FILENO) && terminal_can_draw(STDOUT_FILENO);
}

bool terminal_size(int stream, struct winsize *size)
{
    return ioctl(output_of(stream), TIOCGWINSZ, size) == 0;
}

int terminal_columns(void)
{
    struct winsize size;

    return terminal_size(STDOUT_FILENO, &size) ? size.ws_col : 0;
}

bool terminal_has_colours(int stream)
{
    const char *type = getenv("TERM"), *refused = getenv("NO_COLOR");

    return isatty(output_of(stream)) && !(refused && *refused)
        && !(type && strcmp(type, "dumb") == 0);
}

/* ---- back to what was: all of it may be called from a signal handler ---- */

/* Somebody may have made it one that does not wait. */
static bool wait_for_room(int fd)
{
    struct pollfd output = { fd, POLLOUT, 0 };

    return errno == EINTR || (errno == EAGAIN && poll(&output, 1, -1) >= 0);
}

void terminal_write(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);

        if (written < 0 && wait_for_room(fd))
            continue;
        if (written <= 0)
            return;
        data += written;
        length -= (size_t)written;
    }
}

static void show_kept(void)
{
    char part[4096];
    ssize_t length;

    while ((length = pread(terminal.kept, part, sizeof part,
                           terminal.taken)) > 0) {
        terminal_write(terminal.drawn, part, (size_t)length);
        terminal.taken += length;
    }
}

static void let_go(bool dies)
{
    const struct terminal_owner *owner = terminal.owner;

    terminal.owner = NULL;
    owner->leave(terminal.drawn, dies);
    show_kept();
    dup2(terminal.output, STDOUT_FILENO);
    dup2(terminal.errors, STDERR_FILENO);
}

static void on_fatal(int number)
{
    if (terminal.owner)
        let_go(true);
    signal(number, SIG_DFL);
    raise(number);
}

/* Ctrl-Z: the terminal is another's for a while. */
static void on_stop(int number)
{
    int error = errno;

    (void)number;
    if (terminal.owner)
        terminal.owner->stop(terminal.drawn);
    raise(SIGSTOP);
    if (terminal.owner)
        terminal.owner->go_on(terminal.drawn);
    errno = error;
}

static void at_exit(void)
{
    fflush(stdout);
    if (terminal.owner)
        let_go(true);
}

/* ---- entering and leaving ---- */

/* One that is ignored, as nohup has it, stays so. */
static void catch_signal(int number, const struct sigaction *action,
                         struct sigaction *before)
{
    sigaction(number, NULL, before);
    if (before->sa_handler != SIG_IGN)
        sigaction(number, action, NULL);
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_fatal,
                                .sa_flags = SA_NODEFER };

    for (size_t i = 0; i < COUNT(fatal); i++)
        catch_signal(fatal[i], &action, &terminal.ends[i]);
    action.sa_handler = on_stop;
    catch_signal(SIGTSTP, &action, &terminal.stops);
}

static void release_signals(void)
{
    for (size_t i = 0; i < COUNT(fatal); i++)
        sigaction(fatal[i], &terminal.ends[i], NULL);
    sigaction(SIGTSTP, &terminal.stops, NULL);
}

static int open_once(void)
{
    static bool ready;

    if (ready)
        return 0;
    if (terminal.kept < 0)
        terminal.kept = memfd_create("harp-output", MFD_CLOEXEC);
    if (terminal.output < 0)
        terminal.output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (terminal.errors < 0)
        terminal.errors = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (terminal.kept < 0 || terminal.output < 0 || terminal.errors < 0
        || fcntl(terminal.kept, F_SETFL, O_APPEND) != 0)
        return -1;
    atexit(at_exit);
    ready = true;
    return 0;
}

FILE *terminal_stream(void)
{
    if (!terminal.stream && open_once() == 0)
        terminal.stream = fdopen(terminal.output, "w");
    return terminal.stream;
}

/* Else C would take the file in memory for one that may wait for its lines. */
static void have_lines(void)
{
    if (isatty(STDOUT_FILENO) && __fbufsize(stdout) == 0)
        setvbuf(stdout, NULL, _IOLBF, 0);
}

/* One that is no terminal goes where it was sent. */
static void keep(int stream)
{
    if (isatty(stream))
        dup2(terminal.kept, stream);
}

int terminal_enter(const struct terminal_owner *owner, int stream)
{
    if (open_once() != 0)
        return -1;
    if (terminal.owner)
        terminal_leave(terminal.owner);
    have_lines();
    fflush(stdout);
    terminal.drawn = stream == STDERR_FILENO ? terminal.errors
                                             : terminal.output;
    keep(STDOUT_FILENO);
    keep(STDERR_FILENO);
    terminal.owner = owner;
    catch_signals();
    return terminal.drawn;
}

bool terminal_is_of(const struct terminal_owner *owner)
{
    return terminal.owner == owner;
}

void terminal_leave(const struct terminal_owner *owner)
{
    if (!owner || terminal.owner != owner)
        return;
    fflush(stdout);
    let_go(false);
    release_signals();
}

/* ---- what was kept ---- */

static size_t whole_lines(const char *text, size_t length)
{
    const char *end = memrchr(text, '\n', length);

    return end ? (size_t)(end - text) + 1 : 0;
}

/* The pages of what was taken are given back, some at a time. */
static void forget_taken(void)
{
    static off_t forgotten;

    if (terminal.taken - forgotten < MOST_TAKEN)
        return;
    if (fallocate(terminal.kept, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  terminal.taken / PAGE * PAGE) == 0)
        forgotten = terminal.taken;
}

static char *read_kept(size_t *length)
{
    off_t size = lseek(terminal.kept, 0, SEEK_END);
    ssize_t taken;
    char *text;

    if (size <= terminal.taken)
        return NULL;
    text = memory_new((size_t)(size - terminal.taken));
    taken = pread(terminal.kept, text, (size_t)(size - terminal.taken),
                  terminal.taken);
    *length = taken > 0 ? (size_t)taken : 0;
    return text;
}

char *terminal_take(bool lines, size_t *length)
{
    char *text;

    fflush(stdout);
    text = read_kept(length);
    if (!text)
        return NULL;
    if (lines)
        *length = whole_lines(text, *length);
    if (*length == 0) {
        free(text);
        return NULL;
    }
    terminal.taken += (off_t)*length;
    forget_taken();
    return text;
}
