/*
 * The line of a prompt as a value: reading it waits as anything else does.
 * What it means, completion too, is for scripts/repl/.
 */
#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "bindings/harp.h"
#include "bindings/input.h"
#include "bindings/terminal.h"
#include "host/failure.h"
#include "host/task.h"

#define EDITOR "harp.editor"

struct editor {
    struct input input;
    struct sigaction interrupts;        /* as they were before */
    struct task *before;        /* was in front */
};

static struct input *input_check(lua_State *L)
{
    struct editor *editor = luaL_checkudata(L, 1, EDITOR);

    if (!editor->input.edit)
        luaL_error(L, "this editor was closed");
    return &editor->input;
}

/* ---- reading ---- */

static int push_entered(lua_State *L, struct input *input, struct text text)
{
    lua_pushliteral(L, "line");
    lua_pushlstring(L, text.data, text.length);
    input_end(input);
    return 2;
}

static int push_completion(lua_State *L, struct input *input)
{
    size_t cursor;
    struct text text = input_text(input, &cursor);

    lua_pushliteral(L, "complete");
    lua_pushlstring(L, text.data, text.length);
    lua_pushinteger(L, (lua_Integer)cursor);
    return 3;
}

static int push_end(lua_State *L, struct input *input)
{
    input_leave(input, "");
    lua_pushliteral(L, "eof");
    return 1;
}

/* [-0, +n, m] what a key has brought about: 0 when nothing to tell of. */
static int take_one(lua_State *L, struct input *input)
{
    struct text text;

    input->reader = L;
    switch (input_take(input, &text)) {
    case INPUT_ENTERED: return push_entered(L, input, text);
    case INPUT_COMPLETE: return push_completion(L, input);
    case INPUT_GONE: return push_end(L, input);
    default: return 0;
    }
}

static int read_on(lua_State *L, int status, lua_KContext context)
{
    struct input *input = input_check(L);

    (void)status;
    task_report_failures(L);
    input->keys = 0;
    while (input_has_key(input)) {
        int count = take_one(L, input);

        if (count > 0)
            return count;
    }
    input_listen(input);
    return task_await(L, &input->event, context, read_on);
}

/*
 * editor:read(prompt) waits for a key that says something: "line", text;
 * "complete", text, cursor (in bytes), after which it is to be called again
 * and the line goes on; "eof". An error, Ctrl-C say, does not end the line:
 * editor:stop() does.
 */
static int editor_read(lua_State *L)
{
    struct input *input = input_check(L);
    const char *prompt = luaL_checkstring(L, 2);

    if (!input->reading) {
        input_catch_interrupts();
        task_report_failures(L);
        input_begin(input, prompt);
    }
    lua_settop(L, 1);
    return read_on(L, LUA_OK, 0);
}

/* editor:stop() gives the line up, and leaves it as it is on the screen. */
static int editor_stop(lua_State *L)
{
    input_leave(input_check(L), "^C");
    return 0;
}

/* editor:insert(text, erase) in place of so many characters at the cursor. */
static int editor_insert(lua_State *L)
{
    struct input *input = input_check(L);
    const char *text = luaL_checkstring(L, 2);

    input_replace(input, (int)luaL_optinteger(L, 3, 0), text);
    return 0;
}

/* editor:print(text) above the line that is being edited. */
static int editor_print(lua_State *L)
{
    struct input *input = input_check(L);
    size_t length;
    const char *text = luaL_checklstring(L, 2, &length);

    input_show_above(input, text, length);
    return 0;
}

/* editor:remember(input): it can be had again by the arrow keys. */
static int editor_remember(lua_State *L)
{
    input_remember(input_check(L), luaL_checkstring(L, 2));
    return 0;
}

/* ---- opening and closing ---- */

/* editor:close(); the terminal is as it was. */
static int editor_close(lua_State *L)
{
    struct editor *editor = luaL_checkudata(L, 1, EDITOR);

    if (!editor->input.edit)
        return 0;
    input_close(&editor->input);
    task_go_back(L, editor->before);
    sigaction(SIGINT, &editor->interrupts, NULL);
    return 0;
}

/*
 * editor() → an editor of the terminal; nil when standard input and output
 * are none that can be drawn on.
 */
static int editor_new(lua_State *L)
{
    struct editor *editor;
    struct harp_error error;

    if (!terminal_is_usable())
        return 0;
    editor = lua_newuserdatauv(L, sizeof *editor, 0);
    memset(editor, 0, sizeof *editor);
    luaL_setmetatable(L, EDITOR);
    if (input_open(&editor->input, scheduler_of(L), &error) != 0)
        return failure_raise(L, &error);
    scheduler_accept_interrupts(L);
    editor->before = task_come_to_front(L);
    sigaction(SIGINT, NULL, &editor->interrupts);
    input_catch_interrupts();
    return 1;
}

/* ---- the terminal, with an editor or without ---- */

/*
 * terminal(descriptor) → columns, rows of the terminal that a standard stream
 * is, 0 where it does not know them; nil when it is none
 */
static int terminal(lua_State *L)
{
    struct winsize size;

    if (!terminal_size((int)luaL_checkinteger(L, 1), &size))
        return 0;
    lua_pushinteger(L, size.ws_col);
    lua_pushinteger(L, size.ws_row);
    return 2;
}

/* has_colours(descriptor): is it a terminal that shows them to who wants them? */
static int has_colours(lua_State *L)
{
    lua_pushboolean(L, terminal_has_colours((int)luaL_checkinteger(L, 1)));
    return 1;
}

void editor_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "editor", editor_new },
        { "terminal", terminal },
        { "has_colours", has_colours },
        { NULL, NULL }
    };
    static const luaL_Reg methods[] = {
        { "read", editor_read },
        { "stop", editor_stop },
        { "insert", editor_insert },
        { "print", editor_print },
        { "remember", editor_remember },
        { "close", editor_close },
        { NULL, NULL }
    };

    luaL_newmetatable(L, EDITOR);
    lua_pushcfunction(L, editor_close);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
