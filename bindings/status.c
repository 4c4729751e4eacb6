/*
 * How far something is, in lines at the bottom of the terminal; what is
 * written meanwhile, by children too, appears whole above them. The cursor
 * waits where they begin: to erase them nobody has to know how many rows they
 * take, whatever has become of the window.
 */
#include <lauxlib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "bindings/harp.h"
#include "bindings/terminal.h"

#define STATUS "harp.status"
#define ERASE "\r\033[J"

struct status {
    int fd;                     /* of the terminal */
    struct buffer shown;
    struct buffer above;        /* that is to be shown the next time */
};

/*
 * The one that has the terminal; after Ctrl-Z nothing of it is left there. A
 * signal that comes while `above` is changed leaves it alone.
 */
static struct status *volatile current;
static volatile sig_atomic_t erased, busy;

/* ---- as the owner of the bottom ---- */

static void erase(int fd)
{
    terminal_write(fd, ERASE, sizeof ERASE - 1);
    erased = 1;
}

static void leave(int fd, bool dies)
{
    (void)dies;
    erase(fd);
    if (current && !busy)
        terminal_write(fd, current->above.data, current->above.length);
}

static void go_on(int fd)
{
    (void)fd;
}

static const struct terminal_owner owner = { leave, erase, go_on };

/* ---- showing ---- */

/* Others have the terminal of a program in the background. */
static bool is_in_background(int fd)
{
    pid_t group = tcgetpgrp(fd);

    return group > 0 && group != getpgrp();
}

static void add_lines(struct buffer *out, struct text lines)
{
    int rows = 0;

    buffer_add_text(out, lines);
    for (size_t i = 0; i < lines.length; i++)
        rows += lines.data[i] == '\n';
    if (rows > 0)
        buffer_printf(out, "\033[%dA", rows);
    buffer_add_string(out, "\r");
}

static void draw(struct status *status, struct text lines)
{
    struct buffer out = { 0 };

    buffer_add_string(&out, ERASE);
    buffer_add_text(&out, buffer_text(&status->above));
    add_lines(&out, lines);
    terminal_write(status->fd, out.data, out.length);
    buffer_free(&out);
    erased = 0;
    buffer_free(&status->shown);
    buffer_add_text(&status->shown, lines);
}

/* What was written since the last time, as far as its lines are whole. */
static void take_written(struct status *status)
{
    struct text written;
    char *taken = terminal_take(true, &written.length);

    written.data = taken;
    if (taken)
        buffer_add_text(&status->above, written);
    free(taken);
}

static bool has_terminal(const struct status *status)
{
    return current == status && terminal_is_of(&owner);
}

/*
 * status:write(text) → true; false when somebody else has the terminal now. The
 * text, of whole lines, is shown the next time, behind what was written before.
 */
static int status_write(lua_State *L)
{
    struct status *status = luaL_checkudata(L, 1, STATUS);
    struct text text;

    text.data = luaL_checklstring(L, 2, &text.length);
    if (!has_terminal(status))
        return 0;
    busy = 1;
    take_written(status);
    buffer_add_text(&status->above, text);
    busy = 0;
    lua_pushboolean(L, 1);
    return 1;
}

/*
 * status:show(lines) → true; false when somebody else has the terminal now.
 * Lines are separated by newlines, and no wider than it is. What was written
 * before is shown above them, as far as its lines are whole.
 */
static int status_show(lua_State *L)
{
    struct status *status = luaL_checkudata(L, 1, STATUS);
    struct text lines;

    lines.data = luaL_checklstring(L, 2, &lines.length);
    if (!has_terminal(status))
        return 0;
    if (is_in_background(status->fd))
        lines.length = 0;
    busy = 1;
    take_written(status);
    if (status->above.length > 0 || erased
        || !text_equal(lines, buffer_text(&status->shown)))
        draw(status, lines);
    buffer_free(&status->above);
    busy = 0;
    lua_pushboolean(L, 1);
    return 1;
}

/* ---- opening and closing ---- */

/* status:close(): the lines are gone, and nothing more is kept. */
static int status_close(lua_State *L)
{
    struct status *status = luaL_checkudata(L, 1, STATUS);

    if (current == status)
        terminal_leave(&owner);
    if (current == status)
        current = NULL;
    buffer_free(&status->shown);
    buffer_free(&status->above);
    return 0;
}

/*
 * status(descriptor) → lines at the bottom of the terminal that a standard
 * stream is, none at first; nil when it cannot be drawn on, or has such lines.
 */
static int status_new(lua_State *L)
{
    int stream = (int)luaL_checkinteger(L, 1);
    struct status *status;

    if (!terminal_can_draw(stream) || !terminal_is_of(NULL))
        return 0;
    status = lua_newuserdatauv(L, sizeof *status, 0);
    memset(status, 0, sizeof *status);
    luaL_setmetatable(L, STATUS);
    current = status;
    status->fd = terminal_enter(&owner, stream);
    if (status->fd < 0)
        return 0;
    return 1;
}

void status_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "status", status_new },
        { NULL, NULL }
    };
    static const luaL_Reg methods[] = {
        { "show", status_show },
        { "write", status_write },
        { "close", status_close },
        { NULL, NULL }
    };

    luaL_newmetatable(L, STATUS);
    lua_pushcfunction(L, status_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, status_close);
    lua_setfield(L, -2, "__close");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
