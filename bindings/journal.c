/*
 * A file that only grows, a line after the other, and has one writer: what a
 * batch has done, so that another process can go on. A line is there for
 * readers, and survives the death of the process, once append has returned;
 * sync waits until it survives the machine's as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/home.h"
#include "base/memory.h"
#include "bindings/harp.h"
#include "host/task.h"

#define JOURNAL "harp.journal"

/*
 * It outlives its owner while a request is under way. One sync serves all who
 * came before it began: `appended` counts lines, `asked` are those that the
 * sync under way covers, `kept` those that are on disk.
 */
struct journal {
    struct event event;         /* fired when a sync has ended */
    uv_work_t work;
    uv_loop_t *loop;
    char *path;
    int fd;
    bool busy;
    bool owned;
    bool placed;                /* its place in its directories is on disk */
    int failure;                /* errno of a sync; it cannot be made good */
    off_t size;
    uint64_t appended, asked, kept;
};

static struct journal *check(lua_State *L)
{
    struct journal *journal = *(struct journal **)luaL_checkudata(L, 1,
                                                                  JOURNAL);

    if (!journal)
        luaL_error(L, "this journal was closed");
    return journal;
}

static int push_failure(lua_State *L, const char *path, int number)
{
    errno = number;
    return luaL_fileresult(L, 0, path);
}

/* ---- opening ---- */

/* With its directories; -1 and errno. */
static int open_file(const char *path)
{
    char *copy = memory_string(path);
    int fd = -1;

    if (home_make_above(copy) == 0)
        fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                  0600);
    free(copy);
    return fd;
}

/*
 * Locked, too; EWOULDBLOCK for a held one. One that was removed before it was
 * locked is not the one that others see; who only looks whether it is held has
 * it for a moment.
 */
static int open_locked(const char *path)
{
    int fd, error = 0;

    for (int attempt = 0; attempt < 10; attempt++) {
        struct stat status;

        fd = open_file(path);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0)
            error = errno;
        else if (fstat(fd, &status) == 0 && status.st_nlink > 0)
            return fd;
        close(fd);
        if (error && error != EWOULDBLOCK)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    errno = error ? error : EWOULDBLOCK;
    return -1;
}

/* What of the file's end is no whole line: a write that was cut short. */
static off_t torn_end(int fd, off_t size)
{
    char part[4096];
    off_t at = size;

    while (at > 0) {
        size_t length = at < (off_t)sizeof part ? (size_t)at : sizeof part;
        ssize_t taken = pread(fd, part, length, at - (off_t)length);

        if (taken != (ssize_t)length)
            return -1;
        for (ssize_t i = taken; i > 0; i--)
            if (part[i - 1] == '\n')
                return size - (at - taken + i);
        at -= taken;
    }
    return size;
}

/* Its size, without the end that is no line; -1 and errno. */
static off_t mend(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END), torn = size < 0 ? -1 : torn_end(fd, size);

    if (torn < 0 || (torn > 0 && ftruncate(fd, size - torn) != 0))
        return -1;
    return size - torn;
}

/*
 * journal(path) → a journal, made where there is none; nil, what is wrong and
 * errno. EAGAIN (11): another process has it.
 */
static int journal_new(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct journal **holder = lua_newuserdatauv(L, sizeof *holder, 0), *journal;
    off_t size = -1;
    int fd;

    *holder = NULL;
    luaL_setmetatable(L, JOURNAL);
    fd = open_locked(path);
    if (fd >= 0)
        size = mend(fd);
    if (size < 0) {
        int error = errno;

        if (fd >= 0)
            close(fd);
        return push_failure(L, path, error);
    }
    journal = memory_new(sizeof *journal);
    *journal = (struct journal){ .fd = fd, .size = size, .owned = true,
                                 .loop = scheduler_loop(scheduler_of(L)) };
    journal->path = memory_string(path);
    event_init(&journal->event, false);
    *holder = journal;
    return 1;
}

/* is_held(path): has some process this journal open? */
static int journal_is_held(lua_State *L)
{
    int fd = open(luaL_checkstring(L, 1), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    lua_pushboolean(L, fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0
                       && errno == EWOULDBLOCK);
    if (fd >= 0)
        close(fd);
    return 1;
}

/* ---- lines ---- */

/*
 * journal:append(text): true; or nil, what is wrong and errno, and the file is
 * as it was. The text is whole lines.
 */
static int journal_append(lua_State *L)
{
    struct journal *journal = check(L);
    size_t length, done = 0;
    const char *text = luaL_checklstring(L, 2, &length);

    while (done < length) {
        ssize_t written = write(journal->fd, text + done, length - done);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            int error = errno;

            if (done > 0 && ftruncate(journal->fd, journal->size) != 0)
                error = errno;  /* whoever opens it next cuts that off */
            return push_failure(L, journal->path, error);
        }
        done += (size_t)written;
    }
    journal->size += (off_t)length;
    journal->appended++;
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- sync ---- */

static void free_journal(struct journal *journal)
{
    if (journal->busy || journal->owned)
        return;
    close(journal->fd);
    free(journal->path);
    free(journal);
}

/*
 * The directories above a file, each of which may be new, from the one that it
 * is in up to the first that nobody may read. 0; -1 and errno.
 */
static int sync_above(const char *path)
{
    char *copy = memory_string(path), *slash;
    int status = 0;

    while (status == 0 && (slash = strrchr(copy, '/')) && slash > copy) {
        int fd;

        *slash = '\0';
        fd = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            break;
        if (fsync(fd) != 0 && errno != EINVAL)  /* some systems cannot */
            status = -1;
        close(fd);
    }
    free(copy);
    return status;
}

/* In another thread. */
static void synchronize(uv_work_t *work)
{
    struct journal *journal = work->data;

    if (fdatasync(journal->fd) != 0
        || (!journal->placed && sync_above(journal->path) != 0))
        journal->failure = errno;
}

static void on_synced(uv_work_t *work, int status)
{
    struct journal *journal = work->data;

    (void)status;
    journal->busy = false;
    if (!journal->failure) {
        journal->placed = true;
        journal->kept = journal->asked;
    }
    event_fire(&journal->event);
    free_journal(journal);
}

static int look(lua_State *L, int status, lua_KContext wanted)
{
    struct journal *journal = check(L);

    (void)status;
    if (journal->kept >= (uint64_t)wanted) {
        lua_pushboolean(L, 1);
        return 1;
    }
    if (journal->failure)
        return push_failure(L, journal->path, journal->failure);
    if (!journal->busy) {
        journal->busy = true;
        journal->asked = journal->appended;
        journal->work.data = journal;
        uv_queue_work(journal->loop, &journal->work, synchronize, on_synced);
    }
    return task_await(L, &journal->event, wanted, look);
}

/*
 * journal:sync() waits until all that was appended, and the file itself, is on
 * disk: true; or nil, what is wrong and errno.
 */
static int journal_sync(lua_State *L)
{
    struct journal *journal = check(L);

    lua_settop(L, 1);
    return look(L, LUA_OK, (lua_KContext)journal->appended);
}

/* journal:close(): others may have it. */
static int journal_close(lua_State *L)
{
    struct journal **holder = luaL_checkudata(L, 1, JOURNAL);
    struct journal *journal = *holder;

    *holder = NULL;
    if (journal) {
        flock(journal->fd, LOCK_UN);
        journal->owned = false;
        free_journal(journal);
    }
    return 0;
}

void journal_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "journal", journal_new },
        { "is_held", journal_is_held },
        { NULL, NULL }
    };
    static const luaL_Reg methods[] = {
        { "append", journal_append },
        { "sync", journal_sync },
        { "close", journal_close },
        { NULL, NULL }
    };

    luaL_newmetatable(L, JOURNAL);
    lua_pushcfunction(L, journal_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, journal_close);
    lua_setfield(L, -2, "__close");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
