#include "bindings/input.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uv.h>
#include <wchar.h>

#include "base/error.h"
#include "base/memory.h"
#include "bindings/keys.h"
#include "bindings/libedit.h"
#include "bindings/terminal.h"

#define REMEMBERED 2000         /* lines */
#define TYPED_AHEAD 8           /* bytes that a hand can be ahead */
#define ESCAPE L'\033'
#define END '\4'                /* Ctrl-D; libedit hands it on as a line */

/* Those of the loop outlive the line, until they are closed. */
struct watches {
    uv_poll_t keys;             /* once; started for each wait */
    uv_prepare_t output;        /* shows what was written meanwhile */
    uv_signal_t resized;
    uv_signal_t resumed;        /* after Ctrl-Z */
    int open;
};

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
static void go_to_start(struct input *input)
{
    const LineInfo *info = el_line(input->edit);
    int columns = terminal_columns();
    int width = width_of(input->prompt,
                         input->prompt + strlen(input->prompt))
              + width_of(info->buffer, info->cursor);
    int rows = columns > 0 ? width / columns : 0;

    if (rows > 0)
        fprintf(input->stream, "\033[%dA", rows);
    fputs("\r\033[J", input->stream);
}

static void redraw(struct input *input)
{
    fflush(input->stream);
    el_set(input->edit, EL_REFRESH);
    fflush(input->stream);
}

/* Above the line; what does not end in a newline gets one. */
void input_show_above(struct input *input, const char *text, size_t length)
{
    go_to_start(input);
    fwrite(text, 1, length, input->stream);
    if (length > 0 && text[length - 1] != '\n')
        fputc('\n', input->stream);
    redraw(input);
}

/* ---- callbacks of the loop ---- */

static void on_keys(uv_poll_t *keys, int status, int events)
{
    struct input *input = keys->data;

    (void)status;
    (void)events;
    uv_poll_stop(keys);
    event_fire(&input->event);
}

/* Before the loop waits: all tasks have had their turn. */
static void on_output(uv_prepare_t *output)
{
    struct input *input = output->data;
    size_t length;
    char *text = terminal_take(false, &length);

    if (text)
        input_show_above(input, text, length);
    free(text);
    if (!input->inside && task_has_failures(input->scheduler)) {
        event_fire(&input->event);
        uv_stop(output->loop);  /* it would wait now */
    }
}

static void on_resize(uv_signal_t *resized, int number)
{
    struct input *input = resized->data;

    (void)number;
    if (!input->reading)
        return;
    go_to_start(input);
    fflush(input->stream);
    el_resize(input->edit);
    redraw(input);
}

static void on_resume(uv_signal_t *resumed, int number)
{
    struct input *input = resumed->data;

    (void)number;
    if (input->reading)
        redraw(input);
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

static struct watches *watches_new(uv_loop_t *loop, struct input *input)
{
    struct watches *watches = memory_new(sizeof *watches);

    watches->open = 4;
    uv_poll_init(loop, &watches->keys, STDIN_FILENO);
    set_blocking();
    uv_prepare_init(loop, &watches->output);
    uv_unref((uv_handle_t *)&watches->output);
    watches->keys.data = watches->output.data = input;
    watch_signal(loop, &watches->resized, on_resize, SIGWINCH, input);
    watch_signal(loop, &watches->resumed, on_resume, SIGCONT, input);
    return watches;
}

/* ---- callbacks of libedit ---- */

/* By Ctrl-C: what is typed behind it is for the next line. */
static volatile sig_atomic_t given_up;

static struct input *owner_of(EditLine *edit)
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
static bool wait_for_key(struct input *input)
{
    while (!has_key()) {
        uv_poll_start(&input->watches->keys, UV_READABLE, on_keys);
        if (!task_wait_in_place(input->reader, &input->event)) {
            given_up = 1;
            return false;
        }
    }
    return true;
}

static ssize_t read_byte(struct input *input, char *byte)
{
    ssize_t length;

    do {
        if (!wait_for_key(input))
            return 0;
        length = read(STDIN_FILENO, byte, 1);
    } while (length < 0 && (errno == EINTR || errno == EAGAIN));
    input->gone = length <= 0;
    return length;
}

/* The next character, as EL_GETCFN wants it; invalid ones are skipped. */
static int take_key(EditLine *edit, wchar_t *key)
{
    struct input *input = owner_of(edit);
    mbstate_t state = { 0 };
    char byte;

    while (read_byte(input, &byte) == 1) {
        size_t length = mbrtowc(key, &byte, 1, &state);

        if (length <= 1) {
            input->keys++;
            input->first = input->keys == 1 ? *key : input->first;
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

void input_catch_interrupts(void)
{
    struct sigaction action = { .sa_handler = on_interrupt };

    sigaction(SIGINT, &action, NULL);
}

/*
 * The prompt begins a line: what was typed too early is drawn again by it,
 * and what was written without an end is ended. A mark, and spaces to the end
 * of the line: it wraps unless it began at the first column.
 */
static void begin_line(struct input *input, bool typed_ahead)
{
    int columns = terminal_columns();

    if (typed_ahead)
        fputs("\r\033[K", input->stream);
    if (columns > 1)
        fprintf(input->stream, "\033[2m~\033[0m%*s\r\033[K", columns - 1, "");
    fflush(input->stream);
}

void input_begin(struct input *input, const char *prompt)
{
    free(input->prompt);
    input->prompt = memory_string(prompt);
    given_up = 0;
    begin_line(input, keys_remember());
    el_set(input->edit, EL_UNBUFFERED, 1);     /* draws the prompt */
    fflush(input->stream);
    keys_begin();
    uv_prepare_start(&input->watches->output, on_output);
    input->reading = true;
}

void input_end(struct input *input)
{
    if (!input->reading)
        return;
    input->reading = false;
    uv_poll_stop(&input->watches->keys);
    uv_prepare_stop(&input->watches->output);
    keys_end();
    el_set(input->edit, EL_UNBUFFERED, 0);
}

/*
 * Has libedit perhaps a key left that it took? One that ended a search means
 * something, too. If it has none, it waits for the next one in place.
 */
static bool may_have_key(const struct input *input)
{
    return input->keys > 1 && input->first != ESCAPE;
}

enum input_news input_take(struct input *input, struct text *text)
{
    int length = 0;

    input->keys = 0;
    input->inside = true;
    text->data = el_gets(input->edit, &length);
    input->inside = false;
    if (input->wants_completion) {
        input->wants_completion = false;
        return INPUT_COMPLETE;
    }
    if (input->gone || (length == 1 && text->data && *text->data == END))
        return INPUT_GONE;
    if (!text->data || length < 1 || text->data[length - 1] != '\n')
        return INPUT_GOES_ON;
    text->length = (size_t)length - 1;
    return INPUT_ENTERED;
}

bool input_has_key(const struct input *input)
{
    return !given_up && (has_key() || may_have_key(input));
}

void input_listen(struct input *input)
{
    uv_poll_start(&input->watches->keys, UV_READABLE, on_keys);
}

struct text input_text(const struct input *input, size_t *cursor)
{
    const LineInfo *info = el_line(input->edit);

    *cursor = (size_t)(info->cursor - info->buffer);
    return (struct text){ info->buffer,
                          (size_t)(info->lastchar - info->buffer) };
}

void input_replace(struct input *input, int erase, const char *text)
{
    go_to_start(input);
    if (erase > 0)
        el_deletestr(input->edit, erase);
    if (*text)
        el_insertstr(input->edit, text);
    redraw(input);
}

void input_remember(struct input *input, const char *text)
{
    HistEvent event;

    history(input->past, &event, H_ENTER, text);
}

/* ---- opening and closing ---- */

/* A locale that has more than ASCII: else libedit would not. */
static void choose_locale(void)
{
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static void set_up(struct input *input)
{
    EditLine *edit = input->edit;
    HistEvent event;

    history(input->past, &event, H_SETSIZE, REMEMBERED);
    history(input->past, &event, H_SETUNIQUE, 1);
    el_set(edit, EL_CLIENTDATA, input);
    el_set(edit, EL_PROMPT, give_prompt);
    el_set(edit, EL_HIST, history, input->past);
    el_set(edit, EL_SIGNAL, 0);
    el_set(edit, EL_GETCFN, take_key);
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_ADDFN, "harp-complete", "complete", on_tab);
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(edit, NULL);      /* the user's habits: ~/.editrc */
    el_set(edit, EL_BIND, "^I", "harp-complete", NULL);
}

static int open_edit(struct input *input, struct harp_error *error)
{
    if (libedit_load(error) != 0)
        return -1;
    choose_locale();
    input->stream = terminal_stream();
    if (input->stream)
        input->edit = el_init("harp", stdin, input->stream, stderr);
    if (!input->edit)
        return error_set(error, USAGE_ERROR, "terminal",
                         "this terminal cannot be used: %s", strerror(errno));
    input->past = history_init();
    return 0;
}

int input_open(struct input *input, struct scheduler *scheduler,
              struct harp_error *error)
{
    memset(input, 0, sizeof *input);
    event_init(&input->event, true);     /* tasks run while it waits in place */
    if (open_edit(input, error) != 0)
        return -1;
    input->scheduler = scheduler;
    input->prompt = memory_string("");
    input->watches = watches_new(scheduler_loop(scheduler), input);
    set_up(input);
    return 0;
}

void input_leave(struct input *input, const char *mark)
{
    if (!input->reading)
        return;
    input_end(input);
    fprintf(input->stream, "%s\n", mark);
    fflush(input->stream);
}

void input_close(struct input *input)
{
    if (!input->edit)
        return;
    input_leave(input, "");
    watches_close(input->watches);
    el_end(input->edit);
    history_end(input->past);
    free(input->prompt);
    input->edit = NULL;
}
