#include "host/standing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/home.h"
#include "base/memory.h"

#define MOST_TEXT 65536

char *standing_file(const char *name)
{
    char *below = memory_format("local/%s", name);
    char *path = home_state(below);

    free(below);
    return path;
}

/* Who holds the lock, or 0. */
static pid_t holder_of(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK
        || lock.l_pid <= 0)
        return 0;
    return lock.l_pid;
}

/* What others have put there is not for us. */
static bool is_ours(int fd)
{
    struct stat file;

    return fstat(fd, &file) == 0 && S_ISREG(file.st_mode)
        && file.st_uid == geteuid() && (file.st_mode & 0022) == 0;
}

static void read_text(int fd, struct buffer *text)
{
    ssize_t count = pread(fd, buffer_reserve(text, MOST_TEXT), MOST_TEXT, 0);

    if (count > 0)
        text->length += (size_t)count;
}

pid_t standing_look(struct buffer *text)
{
    char *path = standing_file("running");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
                  : -1;
    pid_t holder = 0;

    free(path);
    if (fd < 0)
        return 0;
    if (is_ours(fd))
        holder = holder_of(fd);
    if (holder && text)
        read_text(fd, text);
    close(fd);
    return holder;
}

int standing_hold(pid_t *holder)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char *path = standing_file("running");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    free(path);
    *holder = 0;
    if (fd < 0)
        return -1;
    if (fcntl(fd, F_SETLK, &lock) == 0 && fchmod(fd, 0600) == 0
        && ftruncate(fd, 0) == 0)
        return fd;
    if (errno == EACCES || errno == EAGAIN)
        *holder = holder_of(fd);
    close(fd);
    return -1;
}

int standing_say(int lock, struct text text)
{
    ssize_t count;

    if (ftruncate(lock, 0) != 0)
        return -1;
    count = pwrite(lock, text.data, text.length, 0);
    if (count >= 0 && (size_t)count < text.length)
        errno = ENOSPC;
    return count == (ssize_t)text.length ? 0 : -1;
}
