/*
 * A disk that fails, and a process that dies at it: preloaded to harp, this
 * counts what is done to the files whose paths have HARP_FAULT_FILE in them,
 * by default a dispatcher's database and the log of that. From the environment,
 * HARP_FAULT is one of
 *
 *   kill N before|half|after   the process dies at the Nth write, sync or
 *                              truncation, with half of a write done
 *   fail N MS ERRNO            those fail, from the Nth on, for so long
 *   read N MS ERRNO            so do reads
 *
 * and HARP_FAULT_COUNT, if there, a file that holds the count: 8 bytes.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Ours stand in front of these. */
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset);
ssize_t pread64(int fd, void *data, size_t size, off64_t offset);

static struct {
    const char *file;
    char what[8], how[8];
    uint64_t at;
    uint64_t milliseconds;
    int number;                 /* errno */
    uint64_t own_count;
    uint64_t *count;
    uint64_t end;               /* of the failing; ms, 0 before */
} fault;

/* Which one this thread is at: a journal is synced by another than writes it. */
static _Thread_local uint64_t turn;

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static void share_count(const char *path)
{
    int (*real)(int, off_t) = (int (*)(int, off_t))next("ftruncate");
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    void *shared;

    if (fd < 0 || real(fd, sizeof *fault.count) != 0)
        abort();
    shared = mmap(NULL, sizeof *fault.count, PROT_READ | PROT_WRITE,
                  MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED)
        abort();
    fault.count = shared;
}

static void __attribute__((constructor)) begin(void)
{
    const char *text = getenv("HARP_FAULT");
    const char *path = getenv("HARP_FAULT_COUNT");
    const char *file = getenv("HARP_FAULT_FILE");
    unsigned long long at = 0, milliseconds = 0;

    fault.file = file ? file : "dispatcher.db";
    fault.count = &fault.own_count;
    if (path)
        share_count(path);
    if (!text)
        return;
    if (sscanf(text, "%7s %llu %llu %d", fault.what, &at, &milliseconds,
               &fault.number) != 4
        && sscanf(text, "%7s %llu %7s", fault.what, &at, fault.how) != 3)
        abort();
    fault.at = at;
    fault.milliseconds = milliseconds;
}

static int is_watched(int fd)
{
    char link[32], path[512];
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    return strstr(path, fault.file) != NULL;
}

static _Noreturn void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* Is it the time, from the Nth on? */
static int fails(const char *what)
{
    if (strcmp(fault.what, what) != 0 || turn < fault.at)
        return 0;
    if (fault.end == 0)
        fault.end = now() + fault.milliseconds;
    errno = fault.number;
    return now() < fault.end;
}

static int is_death(const char *how)
{
    return strcmp(fault.what, "kill") == 0 && turn == fault.at
        && strcmp(fault.how, how) == 0;
}

static void count(void)
{
    turn = __atomic_add_fetch(fault.count, 1, __ATOMIC_SEQ_CST);
}

/* -1: it fails. */
static int before(void)
{
    count();
    if (is_death("before"))
        die();
    return fails("fail") ? -1 : 0;
}

static void after(void)
{
    if (is_death("after") || is_death("half"))
        die();
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) =
        (ssize_t (*)(int, const void *, size_t, off64_t))next("pwrite64");
    ssize_t written;

    if (!is_watched(fd))
        return real(fd, data, size, offset);
    if (before() != 0)
        return -1;
    written = real(fd, data, is_death("half") ? size / 2 : size, offset);
    after();
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
    ssize_t (*real)(int, const void *, size_t) =
        (ssize_t (*)(int, const void *, size_t))next("write");
    ssize_t written;

    if (!fault.file || !is_watched(fd))
        return real(fd, data, size);
    if (before() != 0)
        return -1;
    written = real(fd, data, is_death("half") ? size / 2 : size);
    after();
    return written;
}

static int sync_by(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))next(name);
    int status;

    if (!is_watched(fd))
        return real(fd);
    if (before() != 0)
        return -1;
    status = real(fd);
    after();
    return status;
}

int fsync(int fd)
{
    return sync_by("fsync", fd);
}

int fdatasync(int fd)
{
    return sync_by("fdatasync", fd);
}

int ftruncate64(int fd, off64_t size)
{
    int (*real)(int, off64_t) = (int (*)(int, off64_t))next("ftruncate64");
    int status;

    if (!is_watched(fd))
        return real(fd, size);
    if (before() != 0)
        return -1;
    status = real(fd, size);
    after();
    return status;
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t offset)
{
    ssize_t (*real)(int, void *, size_t, off64_t) =
        (ssize_t (*)(int, void *, size_t, off64_t))next("pread64");

    if (strcmp(fault.what, "read") == 0 && is_watched(fd)) {
        count();
        if (fails("read"))
            return -1;
    }
    return real(fd, data, size, offset);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
    return pread64(fd, data, size, offset);
}
