#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
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

static int listen_unix(const struct endpoint *endpoint, mode_t mode,
                       char **name, struct harp_error *error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    mode_t mask;
    int fd;

    strncpy(address.sun_path, endpoint->path, sizeof address.sun_path - 1);
    remove_stale(&address);
    mask = umask(~mode & 0777);
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

/* Addresses for a listener, as getaddrinfo(3) gives them. */
static int look_up(const struct endpoint *endpoint, struct addrinfo **found)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE };
    char port[16];

    snprintf(port, sizeof port, "%d", endpoint->port);
    return getaddrinfo(endpoint->host, port, &hints, found);
}

int listen_open(const struct endpoint *endpoint, mode_t mode, char **name,
                struct harp_error *error)
{
    struct addrinfo *found;
    int fd = -1, status;

    if (endpoint->path)
        return listen_unix(endpoint, mode, name, error);
    status = look_up(endpoint, &found);
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

/* ---- sockets of others ---- */

static char *name_of(const struct sockaddr *address, socklen_t length)
{
    const struct sockaddr_un *path = (const struct sockaddr_un *)address;
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (address->sa_family == AF_UNIX)
        return memory_format("unix:%s", path->sun_path);
    if (getnameinfo(address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return memory_string("?");
    return memory_format(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

int listen_adopt(int fd, char **name, struct harp_error *error)
{
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address, size = sizeof (int);
    int listens = 0, type = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0
        || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0
        || !listens || type != SOCK_STREAM
        || getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return error_set(error, USAGE_ERROR, "configuration",
                         "descriptor %d is not a listening stream socket",
                         fd);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    *name = name_of((struct sockaddr *)&address, length);
    return 0;
}

/* ---- who can reach it ---- */

static bool is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

    switch (address->sa_family) {
    case AF_UNIX:
        return true;
    case AF_INET:
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)
            || (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)
                && v6->sin6_addr.s6_addr[12] == 127);
    default:
        return false;
    }
}

bool listen_is_local(const struct endpoint *endpoint)
{
    struct addrinfo *found;
    bool local = true;

    if (endpoint->path)
        return true;
    if (look_up(endpoint, &found) != 0)
        return false;
    for (struct addrinfo *at = found; at; at = at->ai_next)
        local = local && is_loopback(at->ai_addr);
    freeaddrinfo(found);
    return local;
}

bool listen_fd_is_local(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address;

    return getsockname(fd, (struct sockaddr *)&address, &length) == 0
        && is_loopback((struct sockaddr *)&address);
}
