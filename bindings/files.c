/* What of files Lua's own library does not tell. */
#include <dirent.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/home.h"
#include "bindings/harp.h"

/* is_readable_by_others(path): by the mode; false when it is not there. */
static int is_readable_by_others(lua_State *L)
{
    struct stat file;

    lua_pushboolean(L, stat(luaL_checkstring(L, 1), &file) == 0
                       && file.st_mode & (S_IRGRP | S_IROTH));
    return 1;
}

static const char *kind_of(mode_t mode)
{
    if (S_ISREG(mode))
        return "file";
    if (S_ISDIR(mode))
        return "directory";
    return "other";
}

/*
 * file_status(path) → { kind = "file", "directory" or "other", mode =, time =
 * unix seconds when it was written }; nil when it is not there. A link is what
 * it points to, and "other" where that is not there.
 */
static int file_status(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat file;

    if (stat(path, &file) != 0 && lstat(path, &file) != 0)
        return 0;
    lua_createtable(L, 0, 3);
    lua_pushstring(L, kind_of(file.st_mode));
    lua_setfield(L, -2, "kind");
    lua_pushinteger(L, file.st_mode & 0777);
    lua_setfield(L, -2, "mode");
    lua_pushinteger(L, file.st_mtime);
    lua_setfield(L, -2, "time");
    return 1;
}

/*
 * create_file(path[, mode]): an empty one, where there is none; without a mode
 * as the umask has it. True; or nil, what is wrong and errno.
 */
static int create_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    mode_t mode = (mode_t)luaL_optinteger(L, 2, 0666);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    int done = fd >= 0 && (lua_isnoneornil(L, 2) || fchmod(fd, mode) == 0);

    if (fd >= 0)
        close(fd);
    return luaL_fileresult(L, done, path);
}

/*
 * list_directory(path) → the names in it, sorted, without those that begin
 * with a dot; nil, what is wrong and errno
 */
static int list_directory(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort), kept = 0;

    if (count < 0)
        return luaL_fileresult(L, 0, path);
    lua_newtable(L);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            lua_pushstring(L, entries[i]->d_name);
            lua_rawseti(L, -2, ++kept);
        }
        free(entries[i]);
    }
    free(entries);
    return 1;
}

/* absolute_path(path) → without symbolic links; nil when it is not there */
static int absolute_path(lua_State *L)
{
    char *path = realpath(luaL_checkstring(L, 1), NULL);

    lua_pushstring(L, path);
    free(path);
    return 1;
}

static int push_path(lua_State *L, char *path)
{
    lua_pushstring(L, path);
    free(path);
    return 1;
}

/* state_path(name), config_path(name): base/home.h; nil without a home */
static int state_path(lua_State *L)
{
    return push_path(L, home_state(luaL_checkstring(L, 1)));
}

static int config_path(lua_State *L)
{
    return push_path(L, home_config(luaL_checkstring(L, 1)));
}

void files_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "is_readable_by_others", is_readable_by_others },
        { "file_status", file_status },
        { "create_file", create_file },
        { "absolute_path", absolute_path },
        { "list_directory", list_directory },
        { "state_path", state_path },
        { "config_path", config_path },
        { NULL, NULL }
    };

    luaL_setfuncs(L, functions, 0);
}
