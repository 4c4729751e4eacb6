#include "net/service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void stop(struct service *service)
{
    void (*call)(void *owner) = service->stop;

    service->stop = NULL;
    if (call)
        call(service->owner);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    stop(handle->data);
}

static void give_space(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    static char ignored[64];

    (void)handle;
    (void)size;
    *buffer = uv_buf_init(ignored, sizeof ignored);
}

static void on_input(uv_stream_t *stream, ssize_t size,
                     const uv_buf_t *buffer)
{
    (void)buffer;
    if (size >= 0)
        return;
    uv_read_stop(stream);
    stop(stream->data);
}

void service_start(struct service *service, uv_loop_t *loop, bool lifeline,
                   void (*call)(void *owner), void *owner)
{
    service->stop = call;
    service->owner = owner;
    service->lifeline = lifeline;
    signal(SIGPIPE, SIG_IGN);
    uv_signal_init(loop, &service->terminate);
    uv_signal_init(loop, &service->interrupt);
    service->terminate.data = service->interrupt.data = service;
    uv_signal_start(&service->terminate, on_signal, SIGTERM);
    uv_signal_start(&service->interrupt, on_signal, SIGINT);
    if (!lifeline)
        return;
    uv_pipe_init(loop, &service->input, 0);
    service->input.data = service;
    if (uv_pipe_open(&service->input, STDIN_FILENO) == 0)
        uv_read_start((uv_stream_t *)&service->input, give_space, on_input);
}

/* libuv gives a signal back what it did by default, which is to kill. */
void service_close_signal(uv_signal_t *handle, int number)
{
    uv_close((uv_handle_t *)handle, NULL);
    signal(number, SIG_IGN);
}

void service_announce(const char *name)
{
    printf("listening on %s\n", name);
    fflush(stdout);
}

void service_end(struct service *service)
{
    service->stop = NULL;
    service_close_signal(&service->terminate, SIGTERM);
    service_close_signal(&service->interrupt, SIGINT);
    if (service->lifeline)
        uv_close((uv_handle_t *)&service->input, NULL);
}
