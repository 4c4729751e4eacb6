#include "cli/local_socket.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"

#define NAME "dispatcher.socket"

static bool fits(const char *path)
{
    return strlen(path) < sizeof ((struct sockaddr_un *)NULL)->sun_path;
}

static void remove_from(const char *directory)
{
    char *path = memory_format("%s/" NAME, directory);

    unlink(path);
    free(path);
}

void local_socket_remove(const char *directory)
{
    char *link = memory_format("%s/away", directory);
    char target[PATH_MAX];
    ssize_t length = readlink(link, target, sizeof target - 1);

    if (length > 0) {
        target[length] = '\0';
        remove_from(target);
        rmdir(target);
        unlink(link);
    }
    remove_from(directory);
    free(link);
}

/* A new directory with a short name, or NULL. */
static char *make_directory(const char *parent)
{
    char *path = memory_format("%s/harp-XXXXXX", parent);
    char *socket = memory_format("%s/" NAME, path);
    bool made = fits(socket) && mkdtemp(path);

    free(socket);
    if (made)
        return path;
    free(path);
    return NULL;
}

/* $XDG_RUNTIME_DIR/harp, which is made, when there is such a thing. */
static char *make_in_runtime(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char *parent, *path;

    if (!runtime || *runtime != '/')
        return NULL;
    parent = memory_format("%s/harp", runtime);
    mkdir(parent, 0700);
    path = make_directory(parent);
    free(parent);
    return path;
}

static char *place_away(const char *directory)
{
    char *link = memory_format("%s/away", directory);
    char *target = make_in_runtime(), *path = NULL;

    if (!target)
        target = make_directory("/tmp");
    if (target && symlink(target, link) == 0)
        path = memory_format("%s/" NAME, target);
    else if (target)
        rmdir(target);
    free(target);
    free(link);
    return path;
}

char *local_socket_place(const char *directory)
{
    char *path = memory_format("%s/" NAME, directory);

    local_socket_remove(directory);
    if (fits(path))
        return path;
    free(path);
    return place_away(directory);
}
