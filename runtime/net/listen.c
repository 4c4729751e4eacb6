#include "net/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "net/endpoint.h"

#define BACKLOG 1024

static int failed(struct harp_error *error, const struct endpoint *endpoint,
                  const char *reason)
{
    char *name = endpoint_name(endpoint);
    char type[32];

    error_set(error, COMMUNICATION_ERROR,
              error_name(errno, type, sizeof type),
              "cannot listen on %s: %s", name, reason);
    free(name);
    return -1;
}

static int open_socket(int family, const struct sockaddr *address,
                       socklen_t length)
{
    int yes = 1, saved;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, address, length) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* A socket file that a dead server left is in the way; a live one is not. */
static void remove_stale(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0
        && errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

static int listen_unix(const struct endpoint *endpoint, char **name,
                       struct harp_error *error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    mode_t mask;
    int fd;

    strncpy(address.sun_path, endpoint->path, sizeof address.sun_path - 1);
    remove_stale(&address);
    mask = umask(0177);
    fd = open_socket(AF_UNIX, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    if (fd < 0)
        return failed(error, endpoint, strerror(errno));
    *name = endpoint_name(endpoint);
    return fd;
}

static char *bound_name(int fd, const struct endpoint *endpoint)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char port[16] = "0";
    struct endpoint bound = *endpoint;

    if (getsockname(fd, (struct sockaddr *)&address, &length) == 0)
        getnameinfo((struct sockaddr *)&address, length, NULL, 0, port,
                    sizeof port, NI_NUMERICSERV);
    bound.port = atoi(port);
    return endpoint_name(&bound);
}

int listen_open(const struct endpoint *endpoint, char **name,
                struct harp_error *error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE };
    struct addrinfo *found;
    char port[16];
    int fd = -1, status;

    if (endpoint->path)
        return listen_unix(endpoint, name, error);
    snprintf(port, sizeof port, "%d", endpoint->port);
    status = getaddrinfo(endpoint->host, port, &hints, &found);
    if (status != 0)
        return failed(error, endpoint, gai_strerror(status));
    for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
        fd = open_socket(at->ai_family, at->ai_addr, at->ai_addrlen);
    freeaddrinfo(found);
    if (fd < 0)
        return failed(error, endpoint, strerror(errno));
    *name = bound_name(fd, endpoint);
    return fd;
}
