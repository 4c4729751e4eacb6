#include "bindings/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "base/memory.h"

#define COUNT(array) (sizeof (array) / sizeof *(array))

/* What ends a program, and would leave the terminal unusable. */
static const int fatal[] = { SIGHUP, SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE,
                             SIGSEGV, SIGTERM };

static struct {
    FILE *stream;
    int output, errors;         /* the standard ones, while they are kept */
    int kept;                   /* a file in memory: no writer has to wait */
    volatile sig_atomic_t entered;
    struct termios before, editing;
    struct sigaction ends[COUNT(fatal)], stops;
} terminal = { .output = -1, .errors = -1, .kept = -1 };

bool terminal_is_usable(void)
{
    const char *type = getenv("TERM");

    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)
        && type && *type && strcmp(type, "dumb") != 0;
}

/* Where a standard stream goes when it is not kept. */
static int output_of(int stream)
{
    if (terminal.entered && stream == STDOUT_FILENO)
        return terminal.output;
    return terminal.entered && stream == STDERR_FILENO ? terminal.errors
                                                       : stream;
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

static void write_all(int fd, const char *data, ssize_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, data, (size_t)length);

        if (written <= 0)
            return;
        data += written;
        length -= written;
    }
}

static void show_kept(void)
{
    char part[4096];
    off_t at = 0;
    ssize_t length;

    while ((length = pread(terminal.kept, part, sizeof part, at)) > 0) {
        write_all(terminal.output, part, length);
        at += length;
    }
    if (at > 0 && ftruncate(terminal.kept, 0) != 0)
        return;                 /* it is memory: that does not happen */
}

static void let_go(void)
{
    terminal.entered = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
    show_kept();
    dup2(terminal.output, STDOUT_FILENO);
    dup2(terminal.errors, STDERR_FILENO);
}

static void on_fatal(int number)
{
    if (terminal.entered) {
        write_all(terminal.output, "\r\n", 2);
        let_go();
    }
    signal(number, SIG_DFL);
    raise(number);
}

/* Ctrl-Z. Who has stopped it may not have another terminal in these modes. */
static void on_stop(int number)
{
    int error = errno;

    (void)number;
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
    raise(SIGSTOP);
    if (terminal.entered)
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal.editing);
    errno = error;
}

static void at_exit(void)
{
    fflush(stdout);
    if (!terminal.entered)
        return;
    write_all(terminal.output, "\r\n", 2);
    let_go();
}

/* ---- entering and leaving ---- */

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_fatal,
                                .sa_flags = SA_NODEFER };

    for (size_t i = 0; i < COUNT(fatal); i++)
        sigaction(fatal[i], &action, &terminal.ends[i]);
    action.sa_handler = on_stop;
    sigaction(SIGTSTP, &action, &terminal.stops);
}

static void release_signals(void)
{
    for (size_t i = 0; i < COUNT(fatal); i++)
        sigaction(fatal[i], &terminal.ends[i], NULL);
    sigaction(SIGTSTP, &terminal.stops, NULL);
}

FILE *terminal_stream(void)
{
    if (terminal.stream)
        return terminal.stream;
    if (terminal.kept < 0)
        terminal.kept = memfd_create("harp-output", MFD_CLOEXEC);
    if (terminal.output < 0)
        terminal.output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (terminal.errors < 0)
        terminal.errors = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (terminal.kept < 0 || terminal.output < 0 || terminal.errors < 0
        || fcntl(terminal.kept, F_SETFL, O_APPEND) != 0)
        return NULL;
    terminal.stream = fdopen(terminal.output, "w");
    if (terminal.stream)
        atexit(at_exit);
    return terminal.stream;
}

/* Until the line that they are in ends, the modes of before hide them. */
bool terminal_remember(void)
{
    struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
    struct termios modes;
    bool typed;

    fflush(stdout);
    tcgetattr(STDIN_FILENO, &terminal.before);
    modes = terminal.before;
    modes.c_lflag &= (tcflag_t)~ICANON;
    tcsetattr(STDIN_FILENO, TCSANOW, &modes);
    typed = poll(&input, 1, 0) > 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
    return typed;
}

void terminal_enter(void)
{
    tcgetattr(STDIN_FILENO, &terminal.editing);
    dup2(terminal.kept, STDOUT_FILENO);
    if (isatty(STDERR_FILENO))  /* else it goes where it was sent */
        dup2(terminal.kept, STDERR_FILENO);
    terminal.entered = 1;
    catch_signals();
}

void terminal_leave(void)
{
    if (!terminal.entered)
        return;
    fflush(stdout);
    let_go();
    release_signals();
}

char *terminal_take(size_t *length)
{
    off_t size;
    char *text;

    fflush(stdout);
    size = lseek(terminal.kept, 0, SEEK_END);
    if (size <= 0)
        return NULL;
    text = memory_new((size_t)size);
    *length = (size_t)size;
    if (pread(terminal.kept, text, *length, 0) != size
        || ftruncate(terminal.kept, 0) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
