/*
 * A line of the terminal as it is edited. The editor is libedit, a key at a
 * time, so that reading a line waits as anything else does and other tasks go
 * on. What the line means, completion too, is for scripts/repl/.
 */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uv.h>
#include <wchar.h>

#include "base/error.h"
#include "base/memory.h"
#include "bindings/harp.h"
#include "bindings/libedit.h"
#include "bindings/terminal.h"
#include "host/failure.h"
#include "host/task.h"

#define EDITOR "harp.editor"
#define REMEMBERED 2000         /* lines */
#define TYPED_AHEAD 8           /* bytes that a hand can be ahead */
#define ESCAPE L'\033'
#define END '\4'                /* Ctrl-D; libedit hands it on as a line */

/* Those of the loop outlive the editor, until they are closed. */
struct watches {
    uv_poll_t keys;             /* once; started for each wait */
    uv_prepare_t output;        /* shows what was written meanwhile */
    uv_signal_t resized;
    uv_signal_t resumed;        /* after Ctrl-Z */
    int open;
};

struct editor {
    struct event event;         /* fired when there may be something to do */
    EditLine *edit;             /* NULL when it is closed */
    History *past;
    struct watches *watches;
    FILE *stream;
    char *prompt;
    struct scheduler *scheduler;
    lua_State *reader;
    bool inside;                /* the reader is, of libedit */
    bool reading;               /* a line is being edited */
    int keys;                   /* that libedit has taken in this call */
    wchar_t first;
    bool wants_completion;
    bool gone;                  /* the terminal is */
    struct sigaction interrupts;        /* as they were before */
    struct task *before;        /* was in front */
};

static struct editor *editor_check(lua_State *L)
{
    struct editor *editor = luaL_checkudata(L, 1, EDITOR);

    if (!editor->edit)
        luaL_error(L, "this editor was closed");
    return editor;
}

/* ---- what is on the screen ---- */

static int width_of(const char *text, const char *end)
{
    mbstate_t state = { 0 };
    int width = 0;

    while (text < end) {
        wchar_t wide;
        size_t length = mbrtowc(&wide, text, (size_t)(end - text), &state);
        int columns;

        if (length == 0 || length > (size_t)(end - text))
            return width;
        columns = wcwidth(wide);
        width += columns > 0 ? columns : columns < 0 ? 2 : 0;   /* ^A */
        text += length;
    }
    return width;
}

/* To the beginning of the prompt, which may be some rows up, and clears. */
static void go_to_start(struct editor *editor)
{
    const LineInfo *line = el_line(editor->edit);
    int columns = terminal_columns();
    int width = width_of(editor->prompt,
                         editor->prompt + strlen(editor->prompt))
              + width_of(line->buffer, line->cursor);
    int rows = columns > 0 ? width / columns : 0;

    if (rows > 0)
        fprintf(editor->stream, "\033[%dA", rows);
    fputs("\r\033[J", editor->stream);
}

static void redraw(struct editor *editor)
{
    fflush(editor->stream);
    el_set(editor->edit, EL_REFRESH);
    fflush(editor->stream);
}

/* Above the line; what does not end in a newline gets one. */
static void show_above(struct editor *editor, const char *text, size_t length)
{
    go_to_start(editor);
    fwrite(text, 1, length, editor->stream);
    if (length > 0 && text[length - 1] != '\n')
        fputc('\n', editor->stream);
    redraw(editor);
}

/* ---- callbacks of the loop ---- */

static void on_keys(uv_poll_t *keys, int status, int events)
{
    struct editor *editor = keys->data;

    (void)status;
    (void)events;
    uv_poll_stop(keys);
    event_fire(&editor->event);
}

/* Before the loop waits: all tasks have had their turn. */
static void on_output(uv_prepare_t *output)
{
    struct editor *editor = output->data;
    size_t length;
    char *text = terminal_take(&length);

    if (text)
        show_above(editor, text, length);
    free(text);
    if (!editor->inside && task_has_failures(editor->scheduler)) {
        event_fire(&editor->event);
        uv_stop(output->loop);  /* it would wait now */
    }
}

static void on_resize(uv_signal_t *resized, int number)
{
    struct editor *editor = resized->data;

    (void)number;
    if (!editor->reading)
        return;
    go_to_start(editor);
    fflush(editor->stream);
    el_resize(editor->edit);
    redraw(editor);
}

static void on_resume(uv_signal_t *resumed, int number)
{
    struct editor *editor = resumed->data;

    (void)number;
    if (editor->reading)
        redraw(editor);
}

static void on_closed(uv_handle_t *handle)
{
    struct watches *watches = (struct watches *)uv_handle_get_data(handle);

    if (--watches->open == 0)
        free(watches);
}

static void watches_close(struct watches *watches)
{
    uv_handle_t *handles[] = {
        (uv_handle_t *)&watches->keys, (uv_handle_t *)&watches->output,
        (uv_handle_t *)&watches->resized, (uv_handle_t *)&watches->resumed
    };

    for (int i = 0; i < 4; i++) {
        handles[i]->data = watches;
        uv_close(handles[i], on_closed);
    }
}

static void watch_signal(uv_loop_t *loop, uv_signal_t *handle,
                         uv_signal_cb callback, int number, void *owner)
{
    uv_signal_init(loop, handle);
    handle->data = owner;
    uv_signal_start(handle, callback, number);
    uv_unref((uv_handle_t *)handle);
}

/* Again, after libuv: the terminal is others', too. */
static void set_blocking(void)
{
    int flags = fcntl(STDIN_FILENO, F_GETFL);

    if (flags >= 0)
        fcntl(STDIN_FILENO, F_SETFL, flags & ~O_NONBLOCK);
}

static struct watches *watches_new(uv_loop_t *loop, struct editor *editor)
{
    struct watches *watches = memory_new(sizeof *watches);

    watches->open = 4;
    uv_poll_init(loop, &watches->keys, STDIN_FILENO);
    set_blocking();
    uv_prepare_init(loop, &watches->output);
    uv_unref((uv_handle_t *)&watches->output);
    watches->keys.data = watches->output.data = editor;
    watch_signal(loop, &watches->resized, on_resize, SIGWINCH, editor);
    watch_signal(loop, &watches->resumed, on_resume, SIGCONT, editor);
    return watches;
}

/* ---- callbacks of libedit ---- */

/* By Ctrl-C: what is typed behind it is for the next line. */
static volatile sig_atomic_t given_up;

static struct editor *owner_of(EditLine *edit)
{
    void *owner = NULL;

    el_get(edit, EL_CLIENTDATA, &owner);
    return owner;
}

static char *give_prompt(EditLine *edit)
{
    return owner_of(edit)->prompt;
}

static bool has_key(void)
{
    struct pollfd input = { STDIN_FILENO, POLLIN, 0 };

    return poll(&input, 1, 0) > 0;
}

/* A Tab with much behind it was pasted. */
static unsigned char on_tab(EditLine *edit, int key)
{
    int behind = 0;

    (void)key;
    if (ioctl(STDIN_FILENO, FIONREAD, &behind) == 0 && behind > TYPED_AHEAD)
        return el_insertstr(edit, "  ") == 0 ? CC_REFRESH : CC_ERROR;
    owner_of(edit)->wants_completion = true;
    return CC_NORM;
}

/*
 * In the middle of a key of several bytes, or of a search: the other tasks
 * must not wait for a hand.
 */
static bool wait_for_key(struct editor *editor)
{
    while (!has_key()) {
        uv_poll_start(&editor->watches->keys, UV_READABLE, on_keys);
        if (!task_wait_in_place(editor->reader, &editor->event)) {
            given_up = 1;
            return false;
        }
    }
    return true;
}

static ssize_t read_byte(struct editor *editor, char *byte)
{
    ssize_t length;

    do {
        if (!wait_for_key(editor))
            return 0;
        length = read(STDIN_FILENO, byte, 1);
    } while (length < 0 && (errno == EINTR || errno == EAGAIN));
    editor->gone = length <= 0;
    return length;
}

/* The next character, as EL_GETCFN wants it; invalid ones are skipped. */
static int take_key(EditLine *edit, wchar_t *key)
{
    struct editor *editor = owner_of(edit);
    mbstate_t state = { 0 };
    char byte;

    while (read_byte(editor, &byte) == 1) {
        size_t length = mbrtowc(key, &byte, 1, &state);

        if (length <= 1) {
            editor->keys++;
            editor->first = editor->keys == 1 ? *key : editor->first;
            return 1;
        }
        if (length == (size_t)-1)
            memset(&state, 0, sizeof state);
    }
    return 0;
}

/* ---- reading ---- */

/* Not reset by itself: at a prompt Ctrl-C is a habit. */
static void on_interrupt(int number)
{
    (void)number;
    given_up = 1;
    scheduler_interrupt();
}

static void catch_interrupts(void)
{
    struct sigaction action = { .sa_handler = on_interrupt };

    sigaction(SIGINT, &action, NULL);
}

/*
 * The prompt begins a line: what was typed too early is drawn again by it,
 * and what was written without an end is ended. A mark, and spaces to the end
 * of the line: it wraps unless it began at the first column.
 */
static void begin_line(struct editor *editor, bool typed_ahead)
{
    int columns = terminal_columns();

    if (typed_ahead)
        fputs("\r\033[K", editor->stream);
    if (columns > 1)
        fprintf(editor->stream, "\033[2m~\033[0m%*s\r\033[K", columns - 1, "");
    fflush(editor->stream);
}

static void begin(struct editor *editor)
{
    given_up = 0;
    begin_line(editor, terminal_remember());
    el_set(editor->edit, EL_UNBUFFERED, 1);     /* draws the prompt */
    fflush(editor->stream);
    terminal_enter();
    uv_prepare_start(&editor->watches->output, on_output);
    editor->reading = true;
}

static void end(struct editor *editor)
{
    if (!editor->reading)
        return;
    editor->reading = false;
    uv_poll_stop(&editor->watches->keys);
    uv_prepare_stop(&editor->watches->output);
    terminal_leave();
    el_set(editor->edit, EL_UNBUFFERED, 0);
}

/* [-0, +1, m] the line, without its end. */
static int push_line(lua_State *L, const char *text, int length)
{
    lua_pushliteral(L, "line");
    lua_pushlstring(L, text, (size_t)length - 1);
    return 2;
}

static int push_completion(lua_State *L, struct editor *editor)
{
    const LineInfo *line = el_line(editor->edit);

    editor->wants_completion = false;
    lua_pushliteral(L, "complete");
    lua_pushlstring(L, line->buffer, (size_t)(line->lastchar - line->buffer));
    lua_pushinteger(L, line->cursor - line->buffer);
    return 3;
}

/*
 * Has libedit perhaps a key left that it took? One that ended a search means
 * something, too. If it has none, it waits for the next one in place.
 */
static bool may_have_key(const struct editor *editor)
{
    return editor->keys > 1 && editor->first != ESCAPE;
}

/* [-0, +n, m] what a key has brought about: 0 when nothing to tell of. */
static int take_one(lua_State *L, struct editor *editor)
{
    int length = 0;
    const char *text;

    editor->reader = L;
    editor->keys = 0;
    editor->inside = true;
    text = el_gets(editor->edit, &length);
    editor->inside = false;
    if (editor->wants_completion)
        return push_completion(L, editor);
    if (text && length > 0 && text[length - 1] == '\n') {
        int count = push_line(L, text, length);

        end(editor);
        return count;
    }
    if (editor->gone || (length == 1 && text && *text == END)) {
        end(editor);
        fputc('\n', editor->stream);
        fflush(editor->stream);
        lua_pushliteral(L, "eof");
        return 1;
    }
    return 0;
}

static int read_on(lua_State *L, int status, lua_KContext context)
{
    struct editor *editor = editor_check(L);

    (void)status;
    task_report_failures(L);
    editor->keys = 0;
    while (!given_up && (has_key() || may_have_key(editor))) {
        int count = take_one(L, editor);

        if (count > 0)
            return count;
    }
    uv_poll_start(&editor->watches->keys, UV_READABLE, on_keys);
    return task_await(L, &editor->event, context, read_on);
}

/*
 * editor:read(prompt) waits for a key that says something: "line", text;
 * "complete", text, cursor (in bytes), after which it is to be called again
 * and the line goes on; "eof". An error, Ctrl-C say, does not end the line:
 * editor:stop() does.
 */
static int editor_read(lua_State *L)
{
    struct editor *editor = editor_check(L);
    const char *prompt = luaL_checkstring(L, 2);

    lua_settop(L, 1);
    if (!editor->reading) {
        free(editor->prompt);
        editor->prompt = memory_string(prompt);
        catch_interrupts();
        task_report_failures(L);
        begin(editor);
    }
    return read_on(L, LUA_OK, 0);
}

/* editor:stop() gives the line up, and leaves it as it is on the screen. */
static int editor_stop(lua_State *L)
{
    struct editor *editor = editor_check(L);

    if (!editor->reading)
        return 0;
    end(editor);
    fputs("^C\n", editor->stream);
    fflush(editor->stream);
    return 0;
}

/* editor:insert(text, erase) in place of so many characters at the cursor. */
static int editor_insert(lua_State *L)
{
    struct editor *editor = editor_check(L);
    const char *text = luaL_checkstring(L, 2);
    int erase = (int)luaL_optinteger(L, 3, 0);

    go_to_start(editor);
    if (erase > 0)
        el_deletestr(editor->edit, erase);
    if (*text)
        el_insertstr(editor->edit, text);
    redraw(editor);
    return 0;
}

/* editor:print(text) above the line that is being edited. */
static int editor_print(lua_State *L)
{
    struct editor *editor = editor_check(L);
    size_t length;
    const char *text = luaL_checklstring(L, 2, &length);

    show_above(editor, text, length);
    return 0;
}

/* editor:remember(line): it can be had again by the arrow keys. */
static int editor_remember(lua_State *L)
{
    struct editor *editor = editor_check(L);
    HistEvent event;

    history(editor->past, &event, H_ENTER, luaL_checkstring(L, 2));
    return 0;
}

/* ---- opening and closing ---- */

/* A locale that has more than ASCII: else libedit would not. */
static void choose_locale(void)
{
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static void set_up(struct editor *editor)
{
    EditLine *edit = editor->edit;
    HistEvent event;

    history(editor->past, &event, H_SETSIZE, REMEMBERED);
    history(editor->past, &event, H_SETUNIQUE, 1);
    el_set(edit, EL_CLIENTDATA, editor);
    el_set(edit, EL_PROMPT, give_prompt);
    el_set(edit, EL_HIST, history, editor->past);
    el_set(edit, EL_SIGNAL, 0);
    el_set(edit, EL_GETCFN, take_key);
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_ADDFN, "harp-complete", "complete", on_tab);
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(edit, NULL);      /* the user's habits: ~/.editrc */
    el_set(edit, EL_BIND, "^I", "harp-complete", NULL);
}

static int open_edit(struct editor *editor, struct harp_error *error)
{
    if (libedit_load(error) != 0)
        return -1;
    choose_locale();
    editor->stream = terminal_stream();
    if (editor->stream)
        editor->edit = el_init("harp", stdin, editor->stream, stderr);
    if (!editor->edit)
        return error_set(error, USAGE_ERROR, "terminal",
                         "this terminal cannot be used: %s", strerror(errno));
    editor->past = history_init();
    return 0;
}

/* editor:close(); the terminal is as it was. */
static int editor_close(lua_State *L)
{
    struct editor *editor = luaL_checkudata(L, 1, EDITOR);

    if (!editor->edit)
        return 0;
    end(editor);
    watches_close(editor->watches);
    el_end(editor->edit);
    history_end(editor->past);
    free(editor->prompt);
    editor->edit = NULL;
    editor->prompt = NULL;
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
    editor->scheduler = scheduler_of(L);
    event_init(&editor->event, true);   /* tasks run while it waits in place */
    luaL_setmetatable(L, EDITOR);
    if (open_edit(editor, &error) != 0)
        return failure_raise(L, &error);
    editor->prompt = memory_string("");
    editor->watches = watches_new(scheduler_loop(editor->scheduler), editor);
    set_up(editor);
    scheduler_accept_interrupts(L);
    editor->before = task_come_to_front(L);
    sigaction(SIGINT, NULL, &editor->interrupts);
    catch_interrupts();
    return 1;
}

/* terminal_width() → columns of standard output, nil when it is no terminal */
static int terminal_width(lua_State *L)
{
    int columns = terminal_columns();

    if (columns <= 0)
        return 0;
    lua_pushinteger(L, columns);
    return 1;
}

/* is_terminal() → is standard input one? */
static int is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty(STDIN_FILENO));
    return 1;
}

void editor_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "editor", editor_new },
        { "terminal_width", terminal_width },
        { "is_terminal", is_terminal },
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
