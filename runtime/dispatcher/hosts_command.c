#include "dispatcher/hosts_command.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "wire/line.h"

#define LONGEST_OUTPUT ((size_t)64 << 20)
#define LONGEST_LINE 4096       /* of what goes to the log… */
#define MOST_LINES 100          /* …and so many of them, for each run */

/* One run, from the start of the program to the end of all it has left. */
struct run {
    struct hosts_command *command;      /* NULL: nobody waits for it */
    uv_process_t process;
    uv_pipe_t output;
    uv_pipe_t errors;
    uv_timer_t limit;
    int handles;                /* of the four that are not closed yet */
    int open;                   /* pipes that have not ended */
    bool exited;
    int64_t status;
    int signal;
    const char *failure;        /* NULL while nothing has gone wrong */
    struct buffer printed;
    struct line_reader complaints;
    size_t lines;               /* of those, in the log */
};

struct hosts_command {
    uv_loop_t *loop;
    char **words;
    double limit;
    double refresh;
    uv_timer_t timer;           /* to the next run */
    struct run *run;            /* NULL between two of them */
    bool again;
    void (*done)(void *owner, struct text output, const char *failure);
    void *owner;
};

static void run_start(struct hosts_command *command);

static uint64_t milliseconds(double seconds)
{
    return (uint64_t)ceil(seconds * 1e3);
}

static void on_time(uv_timer_t *timer)
{
    struct hosts_command *command = timer->data;

    if (!command->run)
        run_start(command);
}

/* ---- the end of a run ---- */

static void report(struct run *run)
{
    struct hosts_command *command = run->command;
    const char *failure = run->failure;
    char *reason = NULL;

    command->run = NULL;
    if (command->again || command->refresh > 0)
        uv_timer_start(&command->timer, on_time, command->again ? 0
                       : milliseconds(command->refresh), 0);
    command->again = false;
    if (!failure && run->signal)
        reason = memory_format("it was ended by signal %d", run->signal);
    else if (!failure && run->status)
        reason = memory_format("exit status %d", (int)run->status);
    command->done(command->owner, buffer_text(&run->printed),
                  failure ? failure : reason);
    free(reason);
}

static void on_closed(uv_handle_t *handle)
{
    struct run *run = handle->data;

    if (--run->handles > 0)
        return;
    if (run->command)
        report(run);
    if (run->printed.data)      /* there are passwords in it */
        explicit_bzero(run->printed.data, run->printed.length);
    buffer_free(&run->printed);
    line_free(&run->complaints);
    free(run);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

/* The process closes when it has ended, or it would stay a zombie. */
static void close_all(struct run *run)
{
    close_handle(&run->output);
    close_handle(&run->errors);
    close_handle(&run->limit);
    if (run->exited)
        close_handle(&run->process);
}

/*
 * With all that it has started: it leads a group, which what holds a pipe is
 * taken to be of, and keeps its number in use.
 */
static void kill_group(struct run *run)
{
    if (run->process.pid > 0 && (!run->exited || run->open > 0))
        kill(-run->process.pid, SIGKILL);
}

static void fail(struct run *run, const char *failure)
{
    if (!run->failure)
        run->failure = failure;
    kill_group(run);
    run->open = 0;
    close_all(run);
}

static void end_if_done(struct run *run)
{
    if (run->exited && run->open == 0)
        close_all(run);
}

static void on_exit_status(uv_process_t *process, int64_t status, int number)
{
    struct run *run = process->data;

    run->exited = true;
    run->status = status;
    run->signal = number;
    end_if_done(run);
}

static void on_limit(uv_timer_t *timer)
{
    fail(timer->data, "it took too long");
}

/* ---- what it writes ---- */

static void give_output_space(uv_handle_t *handle, size_t size,
                              uv_buf_t *space)
{
    struct run *run = handle->data;

    *space = uv_buf_init(buffer_reserve(&run->printed, size),
                         (unsigned)size);
}

static void end_pipe(struct run *run, uv_stream_t *stream)
{
    uv_read_stop(stream);
    run->open--;
    end_if_done(run);
}

static void on_output(uv_stream_t *stream, ssize_t size,
                      const uv_buf_t *space)
{
    struct run *run = stream->data;

    (void)space;
    if (size < 0)
        end_pipe(run, stream);
    else
        run->printed.length += (size_t)size;
    if (run->printed.length > LONGEST_OUTPUT)
        fail(run, "it printed too much");
}

static void give_error_space(uv_handle_t *handle, size_t size,
                             uv_buf_t *space)
{
    struct run *run = handle->data;

    *space = uv_buf_init(line_space(&run->complaints, size), (unsigned)size);
}

/* What has no line end is cut into lines. */
static void log_complaints(struct run *run, bool last)
{
    struct line_reader *reader = &run->complaints;
    struct text line;

    if (last || line_pending(reader) > LONGEST_LINE) {
        *line_space(reader, 1) = '\n';
        line_filled(reader, 1);
    }
    while (line_take(reader, &line)) {
        char *text = text_copy(line);

        if (line.length && run->lines++ < MOST_LINES)
            log_warning("hosts_command_said", "text", text, NULL);
        free(text);
    }
}

static void on_complaint(uv_stream_t *stream, ssize_t size,
                         const uv_buf_t *space)
{
    struct run *run = stream->data;

    (void)space;
    if (size > 0)
        line_filled(&run->complaints, (size_t)size);
    log_complaints(run, size < 0);
    if (size < 0)
        end_pipe(run, stream);
}

/* ---- the start ---- */

static int spawn(struct run *run)
{
    uv_stdio_container_t streams[3] = {
        { .flags = UV_IGNORE },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
          .data.stream = (uv_stream_t *)&run->output },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
          .data.stream = (uv_stream_t *)&run->errors },
    };
    uv_process_options_t options = {
        .exit_cb = on_exit_status,
        .file = run->command->words[0],
        .args = run->command->words,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = 3,
        .stdio = streams,
    };

    return uv_spawn(run->command->loop, &run->process, &options);
}

static void run_start(struct hosts_command *command)
{
    struct run *run = command->run = memory_new(sizeof *run);
    int status;

    run->command = command;
    run->handles = 4;
    uv_pipe_init(command->loop, &run->output, 0);
    uv_pipe_init(command->loop, &run->errors, 0);
    uv_timer_init(command->loop, &run->limit);
    run->process.data = run->output.data = run->errors.data = run;
    run->limit.data = run;
    status = spawn(run);
    if (status != 0) {
        run->exited = true;
        fail(run, uv_strerror(status));
        return;
    }
    run->open = 2;
    uv_read_start((uv_stream_t *)&run->output, give_output_space, on_output);
    uv_read_start((uv_stream_t *)&run->errors, give_error_space,
                  on_complaint);
    uv_timer_start(&run->limit, on_limit, milliseconds(command->limit), 0);
}

struct hosts_command *hosts_command_start(
    uv_loop_t *loop, char **words, double refresh, double limit,
    void (*done)(void *owner, struct text output, const char *failure),
    void *owner)
{
    struct hosts_command *command = memory_new(sizeof *command);

    command->loop = loop;
    command->words = words;
    command->refresh = refresh;
    command->limit = limit;
    command->done = done;
    command->owner = owner;
    uv_timer_init(loop, &command->timer);
    command->timer.data = command;
    run_start(command);
    return command;
}

void hosts_command_again(struct hosts_command *command)
{
    if (command->run)
        command->again = true;
    else
        uv_timer_start(&command->timer, on_time, 0, 0);
}

bool hosts_command_is_running(const struct hosts_command *command)
{
    return command->run != NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void hosts_command_close(struct hosts_command *command)
{
    if (!command)
        return;
    if (command->run) {
        command->run->command = NULL;
        fail(command->run, "");
    }
    uv_close((uv_handle_t *)&command->timer, on_timer_closed);
}
