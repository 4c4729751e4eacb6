#include "net/systemd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

#define FIRST 3                 /* descriptor: those before are the streams */
#define MOST 256

/* ---- sockets ---- */

static int count;               /* of those that were handed on */
static bool taken[MOST];

/* They are for the process of that id, and not for one that inherits them. */
static void look(void)
{
    static bool looked;
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

    if (looked)
        return;
    looked = true;
    if (pid && fds && strtol(pid, NULL, 10) == getpid())
        count = (int)strtol(fds, NULL, 10);
    if (count < 0 || count > MOST)
        count = 0;
}

/* Is the socket of that number called so? The names are "a:b:c". */
static bool is_called(int number, const char *name)
{
    const char *at = getenv("LISTEN_FDNAMES");

    while (at && number-- > 0) {
        at = strchr(at, ':');
        at = at ? at + 1 : NULL;
    }
    return at && strcspn(at, ":") == strlen(name)
        && strncmp(at, name, strlen(name)) == 0;
}

int systemd_take_socket(const char *name, struct harp_error *error)
{
    look();
    for (int i = 0; i < count; i++) {
        if (taken[i] || (name && !is_called(i, name)))
            continue;
        taken[i] = true;
        return FIRST + i;
    }
    return error_set(error, USAGE_ERROR, "configuration",
                     "systemd has handed on no%s socket%s%s",
                     count ? " further" : "", name ? " named " : "",
                     name ? name : "");
}

int systemd_sockets_left(void)
{
    int left = 0;

    look();
    for (int i = 0; i < count; i++)
        left += !taken[i];
    return left;
}

/* ---- telling ---- */

/* A path, or "@name" for one of the abstract addresses. */
static socklen_t set_address(struct sockaddr_un *address, const char *name)
{
    size_t length = strlen(name);

    if ((*name != '/' && *name != '@') || length >= sizeof address->sun_path)
        return 0;
    memcpy(address->sun_path, name, length);
    if (*name == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* Nobody waits for it: when it cannot be told, it is not. */
void systemd_notify(const char *state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *name = getenv("NOTIFY_SOCKET");
    socklen_t length = name ? set_address(&address, name) : 0;
    int fd;

    if (!length)
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    sendto(fd, state, strlen(state), MSG_NOSIGNAL,
           (struct sockaddr *)&address, length);
    close(fd);
}

void systemd_notify_reloading(void)
{
    struct timespec now;
    char state[64];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    systemd_notify(state);
}
