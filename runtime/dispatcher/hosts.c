#include "dispatcher/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/hosts_command.h"
#include "dispatcher/parts.h"
#include "dispatcher/queue.h"
#include "host/config.h"
#include "wire/line.h"

#define CONNECT_TIMEOUT 10.0    /* seconds */
#define ACCEPT_TIMEOUT 60.0
#define MOST_RUNNING 100.0      /* what our daemon takes by default */
#define REFRESH 300.0           /* seconds between two runs of the program */
#define COMMAND_TIMEOUT 60.0

/* In the order of their names. */
struct host_list {
    struct host *hosts;
    size_t count;
    size_t room;
};

struct hosts {
    struct host_list table;
    struct host_list printed;   /* by the program */
    struct host_entry *defaults;
    size_t most_running;        /* of a host that is not known */
    struct config *config;      /* of the function; NULL without one */
    struct host called;         /* what it gave last */
    char **words;               /* of the program; NULL without one */
    size_t word_count;
    double refresh;
    double timeout;
    struct hosts_command *command;
    char *file;                 /* that keeps what was printed */
    struct parts *parts;
};

/* ---- lists ---- */

static int by_name(const void *left, const void *right)
{
    const struct host *a = left, *b = right;

    return strcmp(a->name, b->name);
}

/* The next one of the list, zeroed, to be filled. */
static struct host *list_add(struct host_list *list)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 16;
        list->hosts = memory_grow(list->hosts,
                                  list->room * sizeof *list->hosts);
    }
    list->hosts[list->count] = (struct host){ 0 };
    return &list->hosts[list->count++];
}

static void list_free(struct host_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        host_free(&list->hosts[i]);
    free(list->hosts);
    *list = (struct host_list){ 0 };
}

static const struct host *list_find(const struct host_list *list,
                                    const char *name)
{
    struct host key = { .name = (char *)(uintptr_t)name };

    if (list->count == 0)
        return NULL;
    return bsearch(&key, list->hosts, list->count, sizeof key, by_name);
}

/* ---- the configuration ---- */

static int read_host(struct config *config, struct host *host,
                     const char *name, const struct host_entry *defaults,
                     struct harp_error *error)
{
    struct host_entry *entry = host_entry_new();
    int status = host_entry_config(entry, config, error);

    if (status == 0)
        status = host_make(host, name, entry, defaults, error);
    host_entry_free(entry);
    return status;
}

static void add_host(struct config *config, const char *name, void *context)
{
    struct hosts *hosts = context;
    struct harp_error error = { 0 };

    if (!name) {
        config_complain(config, "hosts", "must map names to tables");
    } else if (read_host(config, list_add(&hosts->table), name,
                         hosts->defaults, &error) != 0) {
        hosts->table.count--;
        config_complain(config, name, error.message);
    }
}

static void read_defaults(struct config *config, void *context)
{
    struct hosts *hosts = context;
    struct harp_error error = { 0 };

    if (host_entry_config(hosts->defaults, config, &error) != 0
        || host_entry_check(hosts->defaults, &error) != 0)
        config_complain(config, "host_defaults", error.message);
}

/* A setting of all hosts, which `host_defaults` may have as well. */
static double read_default(struct hosts *hosts, struct config *config,
                           const char *name, const char *of_host,
                           double otherwise)
{
    double number = config_number(config, name, otherwise);

    if (!(number > 0 && number < 1e9))
        config_complain(config, name, "must be a number above 0");
    host_entry_default(hosts->defaults, of_host, number);
    return number;
}

static void add_word(struct config *config, const char *key, void *context)
{
    struct hosts *hosts = context;
    const char *word = config_value(config);

    if (key || !word) {
        config_complain(config, "hosts_command",
                        "must be a list: the program and its arguments");
        return;
    }
    hosts->words = memory_grow(hosts->words, (hosts->word_count + 2)
                                             * sizeof *hosts->words);
    hosts->words[hosts->word_count++] = memory_string(word);
    hosts->words[hosts->word_count] = NULL;
}

static void read_command(struct hosts *hosts, struct config *config)
{
    config_each(config, "hosts_command", add_word, hosts);
    hosts->refresh = config_number(config, "hosts_refresh", REFRESH);
    hosts->timeout = config_number(config, "hosts_timeout", COMMAND_TIMEOUT);
    if (!(hosts->refresh >= 0 && hosts->refresh < 1e9))
        config_complain(config, "hosts_refresh", "must be seconds, or 0");
    if (!(hosts->timeout > 0 && hosts->timeout < 1e9))
        config_complain(config, "hosts_timeout", "must be seconds above 0");
}

struct hosts *hosts_read(struct config *config)
{
    struct hosts *hosts = memory_new(sizeof *hosts);

    hosts->defaults = host_entry_new();
    config_inside(config, "host_defaults", read_defaults, hosts);
    read_default(hosts, config, "connect_timeout", "connect_timeout",
                 CONNECT_TIMEOUT);
    read_default(hosts, config, "accept_timeout", "accept_timeout",
                 ACCEPT_TIMEOUT);
    hosts->most_running = (size_t)read_default(
        hosts, config, "max_running_per_host", "max_running", MOST_RUNNING);
    read_command(hosts, config);
    if (config_is_function(config, "hosts"))
        hosts->config = config;
    else
        config_each(config, "hosts", add_host, hosts);
    return hosts;
}

bool hosts_keep(struct hosts *hosts, struct config *config)
{
    return hosts && hosts->config == config;
}

/* ---- what the program printed ---- */

static int read_line(struct hosts *hosts, struct host_list *list,
                     struct text line, struct harp_error *error)
{
    struct host_entry *entry = host_entry_new();
    int status = host_entry_json(entry, line, error);

    if (status == 0)
        status = host_make(list_add(list), NULL, entry, hosts->defaults,
                           error);
    host_entry_free(entry);
    return status;
}

static int read_lines(struct hosts *hosts, struct host_list *list,
                      struct line_reader *reader, struct harp_error *error)
{
    struct text line;

    for (size_t number = 1; line_take(reader, &line); number++)
        if (line.length && read_line(hosts, list, line, error) != 0)
            return error_prefix(error, "line %zu", number);
    return 0;
}

static int check_list(struct host_list *list, struct harp_error *error)
{
    if (list->count == 0)
        return error_set(error, USAGE_ERROR, "configuration",
                         "there are no hosts in it");
    qsort(list->hosts, list->count, sizeof *list->hosts, by_name);
    for (size_t i = 1; i < list->count; i++)
        if (by_name(&list->hosts[i - 1], &list->hosts[i]) == 0)
            return error_set(error, USAGE_ERROR, "configuration",
                             "the host %s is there twice",
                             list->hosts[i].name);
    return 0;
}

/* All of it or nothing. */
static int take_output(struct hosts *hosts, struct text output,
                       struct harp_error *error)
{
    struct line_reader reader = { { 0 }, 0, 0 };
    struct host_list list = { 0 };
    int status;

    memcpy(line_space(&reader, output.length + 1), output.data,
           output.length);
    reader.buffer.data[output.length] = '\n';
    line_filled(&reader, output.length + 1);
    status = read_lines(hosts, &list, &reader, error) == 0
          && check_list(&list, error) == 0 ? 0 : -1;
    explicit_bzero(reader.buffer.data, reader.buffer.length);
    line_free(&reader);
    if (status == 0) {
        list_free(&hosts->printed);
        hosts->printed = list;
    } else {
        list_free(&list);
    }
    return status;
}

/* ---- the file that keeps it ---- */

static int write_all(int fd, struct text text)
{
    while (text.length) {
        ssize_t written = write(fd, text.data, text.length);

        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            text.data += written;
            text.length -= (size_t)written;
        }
    }
    return fsync(fd);
}

static void keep_output(struct hosts *hosts, struct text output)
{
    char *draft = memory_format("%s.new", hosts->file);
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write_all(fd, output) == 0;

    if (fd >= 0)
        close(fd);
    if (!written || rename(draft, hosts->file) != 0)
        log_warning("hosts_not_kept", "file", hosts->file, "reason",
                    strerror(errno), NULL);
    free(draft);
}

static int read_file(int fd, struct buffer *text)
{
    ssize_t got;

    while ((got = read(fd, buffer_reserve(text, 65536), 65536)) > 0)
        text->length += (size_t)got;
    return (int)got;
}

/* What an older start has kept; none is no trouble. */
static void read_kept(struct hosts *hosts)
{
    struct buffer text = { 0 };
    struct harp_error error = { 0 };
    int fd = open(hosts->file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (read_file(fd, &text) == 0
        && take_output(hosts, buffer_text(&text), &error) != 0)
        log_warning("hosts_not_read", "file", hosts->file, "reason",
                    error.message, NULL);
    close(fd);
    if (text.data)
        explicit_bzero(text.data, text.length);
    buffer_free(&text);
}

/* ---- running the program ---- */

static void log_list(const struct hosts *hosts)
{
    char count[32];

    snprintf(count, sizeof count, "%zu", hosts->printed.count);
    log_event("hosts_refreshed", "hosts", count, NULL);
}

static void on_printed(void *owner, struct text output, const char *failure)
{
    struct hosts *hosts = owner;
    struct harp_error error = { 0 };

    if (!failure && take_output(hosts, output, &error) != 0)
        failure = error.message;
    if (failure) {
        log_warning("hosts_command_failed", "command", hosts->words[0],
                    "reason", failure, "so", "the last good list stays",
                    NULL);
        return;
    }
    log_list(hosts);
    keep_output(hosts, output);
    queue_look(hosts->parts);
}

static void start_command(struct hosts *hosts, struct parts *parts,
                          const char *database)
{
    hosts->file = memory_format("%s.hosts", database);
    hosts->command = hosts_command_start(&parts->loop, hosts->words,
                                         hosts->refresh, hosts->timeout,
                                         on_printed, hosts);
}

void hosts_start(struct hosts *hosts, struct parts *parts,
                 const char *database)
{
    hosts->parts = parts;
    if (!hosts->words)
        return;
    start_command(hosts, parts, database);
    read_kept(hosts);
    while (hosts->printed.count == 0
           && hosts_command_is_running(hosts->command))
        uv_run(&parts->loop, UV_RUN_ONCE);
}

void hosts_replace(struct parts *parts, struct hosts *hosts,
                   const char *database)
{
    struct hosts *old = parts->hosts;

    hosts->parts = parts;
    if (hosts->words) {
        hosts->printed = old->printed;
        old->printed = (struct host_list){ 0 };
        start_command(hosts, parts, database);
        if (hosts->printed.count == 0)
            read_kept(hosts);
    }
    parts->hosts = hosts;
    hosts_stop(old);
    hosts_free(old);
    queue_look(parts);
}

bool hosts_refresh_now(struct parts *parts)
{
    if (!parts->hosts->command)
        return false;
    hosts_command_again(parts->hosts->command);
    return true;
}

/* ---- finding ---- */

/* What config_call hands on. */
struct question {
    struct hosts *hosts;
    const char *name;
    int status;
    struct harp_error *error;
};

static void take_called(struct config *config, void *context)
{
    struct question *question = context;

    question->status = read_host(config, &question->hosts->called,
                                 question->name, question->hosts->defaults,
                                 question->error);
}

/* 1 when it knows the host, 0 when it does not, -1 when it fails. */
static int call_function(struct hosts *hosts, const char *name,
                         struct harp_error *error)
{
    struct question question = { hosts, name, 0, error };
    int status = config_call(hosts->config, "hosts", name, take_called,
                             &question, error);

    return question.status == 0 ? status : -1;
}

static int not_found(struct harp_error *error, const char *name)
{
    return error_set(error, REMOTE_ERROR, "unknown_host",
                     "no host \"%s\" is known here", name);
}

/* It says more than that there is none, but is of the same type. */
static int function_failed(struct harp_error *error, const char *name)
{
    char reason[sizeof error->message];

    memcpy(reason, error->message, sizeof reason);
    error_set(error, REMOTE_ERROR, "unknown_host", "%s", reason);
    return error_prefix(error, "the function hosts(\"%s\") failed", name);
}

const struct host *hosts_find(struct hosts *hosts, const char *name,
                              struct harp_error *error)
{
    const struct host *found = list_find(&hosts->table, name);
    int called = 0;

    if (hosts->config) {
        host_free(&hosts->called);
        called = call_function(hosts, name, error);
    }
    if (called < 0)
        function_failed(error, name);
    if (called != 0)
        return called < 0 ? NULL : &hosts->called;
    found = found ? found : list_find(&hosts->printed, name);
    if (!found)
        not_found(error, name);
    return found;
}

size_t hosts_most_running(struct hosts *hosts, const char *name)
{
    struct harp_error error = { 0 };
    const struct host *host = hosts_find(hosts, name, &error);

    return host ? host->max_running : hosts->most_running;
}

/* The two lists are one, in the order of their names. */
void hosts_each(const struct hosts *hosts,
                void (*each)(void *owner, const struct host *host),
                void *owner)
{
    const struct host *a = hosts->table.hosts;
    const struct host *b = hosts->printed.hosts;
    const struct host *a_end = a + hosts->table.count;
    const struct host *b_end = b + hosts->printed.count;

    while (a < a_end || b < b_end) {
        int order = a == a_end ? 1 : b == b_end ? -1 : by_name(a, b);

        each(owner, order <= 0 ? a : b);
        a += order <= 0;
        b += order >= 0;
    }
}

/* ---- the end ---- */

void hosts_stop(struct hosts *hosts)
{
    if (!hosts)
        return;
    hosts_command_close(hosts->command);
    hosts->command = NULL;
}

void hosts_free(struct hosts *hosts)
{
    if (!hosts)
        return;
    list_free(&hosts->table);
    list_free(&hosts->printed);
    host_free(&hosts->called);
    host_entry_free(hosts->defaults);
    config_free(hosts->config);
    for (size_t i = 0; i < hosts->word_count; i++)
        free(hosts->words[i]);
    free(hosts->words);
    free(hosts->file);
    free(hosts);
}
