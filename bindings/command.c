#include "bindings/command.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/memory.h"
#include "bindings/program.h"
#include "host/task.h"
#include "wire/line.h"

#define LONGEST_LINE ((size_t)1 << 20)
#define READ_AHEAD ((size_t)64 << 10)   /* when a whole line is there */
#define KEPT_ERRORS ((size_t)64 << 10)  /* of its standard error, the last */
#define GRACE 2000                      /* ms from SIGTERM to SIGKILL */
#define SECOND_LOOK 10                  /* ms behind the timeout */

/*
 * It outlives its owner until the process is gone.
 *
 *   RUNS ──► process ended, pipes at their end ──────────────► OVER
 *     └────► ending: SIGTERM, no pipes ──► GRACE: SIGKILL ──────┘
 */
struct command {
    struct event event;         /* fired when there may be something new */
    uv_poll_t process;          /* may it have ended? */
    uv_pipe_t output;
    uv_pipe_t errors;
    uv_timer_t timer;           /* to its timeout, or to SIGKILL */
    int handles;                /* of the four that are not closed yet */
    bool owned;
    pid_t pid;                  /* 0 once the process has ended */
    int watch;
    int open;                   /* pipes that have not ended */
    bool late;                  /* the time is over: a second look */
    bool ending;
    bool discards;
    enum command_trouble trouble;
    int status;                 /* of its exit; -1 when a signal ended it */
    int signal;
    struct line_reader lines;
    struct buffer complaints;
};

/* ---- the end ---- */

static void free_if_over(struct command *command)
{
    if (command->handles > 0 || command->owned)
        return;
    line_free(&command->lines);
    buffer_free(&command->complaints);
    free(command);
}

static void on_closed(uv_handle_t *handle)
{
    struct command *command = handle->data;

    command->handles--;
    free_if_over(command);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static bool is_over(const struct command *command)
{
    return command->pid == 0 && command->open == 0;
}

static void note_end(struct command *command)
{
    if (is_over(command))
        close_handle(&command->timer);
    event_fire(&command->event);
}

bool command_signal(struct command *command, int number)
{
    return command->pid != 0 && kill(command->pid, number) == 0;
}

static void on_time(uv_timer_t *timer);

static void set_timer(struct command *command, uint64_t milliseconds)
{
    uv_update_time(command->timer.loop);
    uv_timer_start(&command->timer, on_time, milliseconds, 0);
}

static void release_process(struct command *command)
{
    close_handle(&command->process);
    close(command->watch);
    command->pid = 0;
}

/*
 * Before it can hear of it by its pipes. One that has another user's rights
 * by now (sudo) is only let go of.
 */
static void terminate(struct command *command)
{
    if (command_signal(command, SIGTERM))
        set_timer(command, GRACE);
    else if (command->pid != 0)
        release_process(command);
}

void command_end(struct command *command)
{
    if (command->ending)
        return;
    command->ending = true;
    terminate(command);
    close_handle(&command->output);
    close_handle(&command->errors);
    command->open = 0;
    note_end(command);
}

/*
 * The script may have been busy all the time, and the command well: what came
 * meanwhile is seen behind the timers.
 */
static void on_time(uv_timer_t *timer)
{
    struct command *command = timer->data;

    if (command->ending) {
        command_signal(command, SIGKILL);
    } else if (!command->late) {
        command->late = true;
        set_timer(command, SECOND_LOOK);
    } else {
        command->trouble = COMMAND_TIMEOUT;
        command_end(command);
    }
}

/* Who ignores SIGCHLD has lost how it ended. */
static void note_status(struct command *command, const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        command->status = info->si_status;
    else
        command->signal = info->si_status;
    release_process(command);
    note_end(command);
}

static void on_process(uv_poll_t *poll, int status, int events)
{
    struct command *command = poll->data;
    siginfo_t info = { 0 };
    uint64_t ticks;

    (void)status;
    (void)events;
    if (waitid(P_PID, (id_t)command->pid, &info, WEXITED | WNOHANG) == 0
        && info.si_pid == 0)
        (void)!read(command->watch, &ticks, sizeof ticks);
    else
        note_status(command, &info);
}

/* ---- what it writes ---- */

static void end_pipe(struct command *command, uv_stream_t *stream)
{
    close_handle(stream);
    command->open--;
    note_end(command);
}

static void give_line_space(uv_handle_t *handle, size_t size, uv_buf_t *space)
{
    struct command *command = handle->data;

    *space = uv_buf_init(line_space(&command->lines, size), (unsigned)size);
}

/* What is behind the last line end is a line, too. */
static void end_output(struct command *command)
{
    struct line_reader *lines = &command->lines;

    if (line_pending(lines)
        && lines->buffer.data[lines->buffer.length - 1] != '\n') {
        *line_space(lines, 1) = '\n';
        line_filled(lines, 1);
    }
    end_pipe(command, (uv_stream_t *)&command->output);
}

static bool has_enough(struct command *command)
{
    size_t pending = line_pending(&command->lines);

    return pending > LONGEST_LINE
        || (pending > READ_AHEAD && line_ready(&command->lines));
}

static void on_output(uv_stream_t *stream, ssize_t size,
                      const uv_buf_t *space)
{
    struct command *command = stream->data;

    (void)space;
    if (size < 0) {
        end_output(command);
        return;
    }
    if (!command->discards)
        line_filled(&command->lines, (size_t)size);
    if (has_enough(command))
        uv_read_stop(stream);
    event_fire(&command->event);
}

static void read_on(struct command *command)
{
    uv_stream_t *output = (uv_stream_t *)&command->output;

    if (!uv_is_closing((uv_handle_t *)output))
        uv_read_start(output, give_line_space, on_output);
}

static void give_error_space(uv_handle_t *handle, size_t size,
                             uv_buf_t *space)
{
    struct command *command = handle->data;

    *space = uv_buf_init(buffer_reserve(&command->complaints, size),
                         (unsigned)size);
}

static void keep_last(struct buffer *buffer)
{
    size_t more = buffer->length > KEPT_ERRORS
        ? buffer->length - KEPT_ERRORS : 0;

    buffer->length -= more;
    if (more)
        memmove(buffer->data, buffer->data + more, buffer->length);
}

/* Read as it comes: a full pipe would stop a command whose output is read. */
static void on_complaint(uv_stream_t *stream, ssize_t size,
                         const uv_buf_t *space)
{
    struct command *command = stream->data;

    (void)space;
    if (size > 0)
        command->complaints.length += (size_t)size;
    if (command->complaints.length > 2 * KEPT_ERRORS)
        keep_last(&command->complaints);
    if (size < 0)
        end_pipe(command, stream);
}

/* ---- what its owner asks ---- */

struct event *command_event(struct command *command)
{
    return &command->event;
}

void command_discard(struct command *command)
{
    command->discards = true;
    line_free(&command->lines);
    read_on(command);
}

static bool is_too_long(const struct command *command, struct text line)
{
    return line.length > LONGEST_LINE
        || line_pending(&command->lines) > LONGEST_LINE;
}

int command_take(struct command *command, struct text *line)
{
    *line = (struct text){ 0 };
    if (line_take_whole(&command->lines, line)
        && line->length <= LONGEST_LINE)
        return 1;
    if (is_too_long(command, *line)) {
        command->trouble = COMMAND_LONG_LINE;
        command_end(command);
        command_discard(command);
    }
    if (command->ending || is_over(command))
        return -1;
    read_on(command);
    return 0;
}

enum command_trouble command_trouble(const struct command *command)
{
    return command->trouble;
}

bool command_has_ended(struct command *command, struct command_end *end)
{
    if (!is_over(command))
        return false;
    keep_last(&command->complaints);
    *end = (struct command_end){
        .status = command->status,
        .signal = command->signal,
        .errors = buffer_text(&command->complaints),
        .trouble = command->trouble,
    };
    return true;
}

void command_free(struct command *command)
{
    if (!command)
        return;
    command->owned = false;
    command_end(command);
    free_if_over(command);
}

/* ---- the start ---- */

static struct command *command_new(uv_loop_t *loop,
                                   const struct program_ends *ends)
{
    struct command *command = memory_new(sizeof *command);

    event_init(&command->event, false);
    command->owned = true;
    command->handles = 4;
    command->pid = ends->pid;
    command->watch = ends->watch;
    command->status = -1;
    uv_poll_init(loop, &command->process, ends->watch);
    uv_pipe_init(loop, &command->output, 0);
    uv_pipe_init(loop, &command->errors, 0);
    uv_timer_init(loop, &command->timer);
    command->process.data = command->output.data = command;
    command->errors.data = command->timer.data = command;
    uv_poll_start(&command->process, UV_READABLE, on_process);
    return command;
}

static void read_pipes(struct command *command,
                       const struct program_ends *ends)
{
    uv_pipe_open(&command->output, ends->output);
    command->open = 1;
    read_on(command);
    if (ends->errors < 0) {
        close_handle(&command->errors);
        return;
    }
    uv_pipe_open(&command->errors, ends->errors);
    command->open = 2;
    uv_read_start((uv_stream_t *)&command->errors, give_error_space,
                  on_complaint);
}

struct command *command_start(uv_loop_t *loop, const struct program *program,
                              double timeout, struct harp_error *error)
{
    struct program_ends ends;
    struct command *command;

    if (program_start(program, &ends, error) != 0)
        return NULL;
    command = command_new(loop, &ends);
    read_pipes(command, &ends);
    if (timeout > 0)
        set_timer(command, (uint64_t)ceil(timeout * 1e3));
    return command;
}
