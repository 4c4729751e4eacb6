#include "bindings/keys.h"

#include <poll.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "bindings/terminal.h"

static struct termios before, editing;

static void leave(int fd, bool dies)
{
    if (dies)
        terminal_write(fd, "\r\n", 2);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* Who has stopped it may not have another terminal in these modes. */
static void stop(int fd)
{
    (void)fd;
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void go_on(int fd)
{
    (void)fd;
    tcsetattr(STDIN_FILENO, TCSANOW, &editing);
}

static const struct terminal_owner owner = { leave, stop, go_on };

/* Until the line that they are in ends, the modes of before hide them. */
bool keys_remember(void)
{
    struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
    struct termios modes;
    bool typed;

    fflush(stdout);
    tcgetattr(STDIN_FILENO, &before);
    modes = before;
    modes.c_lflag &= (tcflag_t)~ICANON;
    tcsetattr(STDIN_FILENO, TCSANOW, &modes);
    typed = poll(&input, 1, 0) > 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    return typed;
}

void keys_begin(void)
{
    tcgetattr(STDIN_FILENO, &editing);
    terminal_enter(&owner, STDOUT_FILENO);
}

void keys_end(void)
{
    terminal_leave(&owner);
}
