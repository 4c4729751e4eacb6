/*
 * The file of what was typed at prompts, of any number of them at once: it is
 * for its owner alone, and does not grow without end.
 */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/home.h"
#include "base/memory.h"
#include "bindings/harp.h"

#define MOST ((off_t)256 << 10)         /* bytes; then the older half goes */

/* With its directories, and locked against others; -1 when it cannot be. */
static int open_file(const char *path)
{
    char *copy = memory_string(path);
    int fd = -1;

    if (home_make_above(copy) == 0)
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    free(copy);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX) == 0 && fchmod(fd, 0600) == 0)
        return fd;
    close(fd);
    return -1;
}

/* All of it from `at` on; to be freed. */
static char *read_from(int fd, off_t at, size_t *length)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = memory_new((size_t)(size > at ? size - at : 0) + 1);
    ssize_t taken = size > at ? pread(fd, text, (size_t)(size - at), at) : 0;

    *length = taken > 0 ? (size_t)taken : 0;
    text[*length] = '\0';
    return text;
}

/* Its end moves to its beginning before the rest goes: nothing is lost. */
static void drop_older_half(int fd, off_t size)
{
    size_t length;
    char *text = read_from(fd, size - MOST / 2, &length);
    const char *line = strchr(text, '\n');

    if (line) {
        ssize_t kept = (ssize_t)(length - (size_t)(line + 1 - text));

        if (pwrite(fd, line + 1, (size_t)kept, 0) == kept
            && ftruncate(fd, kept) != 0)
            lseek(fd, 0, SEEK_END);     /* lines twice are no harm */
    }
    free(text);
}

/* history_append(path, text): true, or nil and what is wrong */
static int history_append(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    size_t length;
    const char *text = luaL_checklstring(L, 2, &length);
    ssize_t written = -1;
    int fd = open_file(path);

    if (fd >= 0) {
        off_t size = lseek(fd, 0, SEEK_END);

        written = write(fd, text, length);
        if (size > MOST)
            drop_older_half(fd, size + (off_t)length);
    }
    if (written != (ssize_t)length) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s: %s", path, strerror(errno));
    } else {
        lua_pushboolean(L, 1);
        lua_pushnil(L);
    }
    if (fd >= 0)
        close(fd);
    return 2;
}

/* history_read(path) → its text; "" when there is none */
static int history_read(lua_State *L)
{
    int fd = open(luaL_checkstring(L, 1), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t length = 0;
    char *text;

    if (fd < 0 || flock(fd, LOCK_SH) != 0) {
        if (fd >= 0)
            close(fd);
        lua_pushliteral(L, "");
        return 1;
    }
    text = read_from(fd, 0, &length);
    close(fd);
    lua_pushlstring(L, text, length);
    free(text);
    return 1;
}

void history_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "history_append", history_append },
        { "history_read", history_read },
        { NULL, NULL }
    };

    luaL_setfuncs(L, functions, 0);
}
