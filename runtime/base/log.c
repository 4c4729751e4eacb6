#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"

#define LONGEST_VALUE 400       /* bytes; more than an error's message has */

static struct {
    const char *program;
    struct log_form form;
} settings = { "harp", { false, LOG_LEVEL_INFO, false } };

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARNING] = "warning",
};

void log_name(const char *name)
{
    settings.program = name;
}

/* It says which file it is, in case standard error is not it any more. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2
        && fstat(STDERR_FILENO, &status) == 0
        && status.st_dev == device && status.st_ino == inode;
}

void log_set(struct log_form form)
{
    settings.form = form;
    settings.form.time = form.time && (form.json || !is_journal());
}

bool log_has(enum log_level level)
{
    return level >= settings.form.least;
}

/* ---- values ---- */

/*
 * Bytes of the character there, 0 when it is none: UTF-8 but for control
 * characters (also those beyond ASCII) and what turns the direction of text.
 */
static size_t character_length(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;
    unsigned code = byte[0];
    size_t more = code < 0x80 ? 0 : (code & 0xe0) == 0xc0 ? 1
                : (code & 0xf0) == 0xe0 ? 2 : (code & 0xf8) == 0xf0 ? 3 : 4;
    static const unsigned least[] = { 0x20, 0xa0, 0x800, 0x10000 };

    if (more == 4)
        return 0;
    if (more)
        code &= 0x3fu >> more;
    for (size_t i = 1; i <= more; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (byte[i] & 0x3fu);
    }
    if (code < least[more] || code == 0x7f || code > 0x10ffff
        || (code >= 0xd800 && code <= 0xdfff)
        || (code >= 0x2028 && code <= 0x202e)
        || (code >= 0x2066 && code <= 0x2069))
        return 0;
    return more + 1;
}

static void add_escape(struct buffer *line, unsigned char byte)
{
    if (byte == '\n')
        buffer_add_string(line, "\\n");
    else if (!settings.form.json)
        buffer_printf(line, "\\x%02x", byte);
    else if (byte < 0x80)
        buffer_printf(line, "\\u%04x", byte);
    else
        buffer_add_string(line, "\\ufffd");
}

static void add_characters(struct buffer *line, const char *value)
{
    const char *at = value;

    while (*at) {
        size_t length = character_length(at);

        if ((size_t)(at - value) + length > LONGEST_VALUE) {
            buffer_add_string(line, "…");
            return;
        }
        if (*at == '"' || *at == '\\')
            buffer_add_string(line, "\\");
        if (length)
            buffer_add(line, at, length);
        else
            add_escape(line, (unsigned char)*at);
        at += length ? length : 1;
    }
}

static void add_quoted(struct buffer *line, const char *value)
{
    buffer_add_string(line, "\"");
    add_characters(line, value);
    buffer_add_string(line, "\"");
}

static bool is_plain(const char *value)
{
    size_t length = strspn(value, "abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                           "-_.:/@[]+,%");

    return length > 0 && !value[length] && length <= LONGEST_VALUE;
}

/* ---- lines ---- */

static void add_time(struct buffer *line)
{
    struct timespec now;
    struct tm parts;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    buffer_printf(line, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

static void add_pair(struct buffer *line, const char *key, const char *value)
{
    if (settings.form.json) {
        buffer_printf(line, ",\"%s\":", key);
        add_quoted(line, value);
        return;
    }
    buffer_printf(line, " %s=", key);
    if (is_plain(value))
        buffer_add_string(line, value);
    else
        add_quoted(line, value);
}

static void begin_json(struct buffer *line, enum log_level level)
{
    buffer_add_string(line, "{");
    if (settings.form.time) {
        buffer_add_string(line, "\"time\":\"");
        add_time(line);
        buffer_add_string(line, "\",");
    }
    buffer_printf(line, "\"level\":\"%s\",\"program\":\"%s\"",
                  level_names[level], settings.program);
}

static void begin_text(struct buffer *line, enum log_level level)
{
    if (settings.form.time) {
        add_time(line);
        buffer_add_string(line, " ");
    }
    buffer_printf(line, "%s: ", settings.program);
    if (level != LOG_LEVEL_INFO)
        buffer_printf(line, "%s: ", level_names[level]);
}

/* One write a line, so that lines of several processes do not mix. */
static void end_line(struct buffer *line)
{
    ssize_t written;

    buffer_add_string(line, settings.form.json ? "}\n" : "\n");
    written = write(STDERR_FILENO, line->data, line->length);
    (void)written;              /* there is nobody to be told */
    buffer_free(line);
}

static void write_event(enum log_level level, const char *event,
                        va_list pairs)
{
    struct buffer line = { 0 };
    const char *key;

    if (!log_has(level))
        return;
    if (settings.form.json) {
        begin_json(&line, level);
        add_pair(&line, "event", event);
    } else {
        begin_text(&line, level);
        buffer_add_string(&line, event);
    }
    while ((key = va_arg(pairs, const char *))) {
        const char *value = va_arg(pairs, const char *);

        if (value)
            add_pair(&line, key, value);
    }
    end_line(&line);
}

static void write_message(enum log_level level, const char *format,
                          va_list arguments)
{
    struct buffer line = { 0 };
    char text[1024];

    if (!log_has(level))
        return;
    vsnprintf(text, sizeof text, format, arguments);
    if (settings.form.json) {
        begin_json(&line, level);
        add_pair(&line, "message", text);
    } else {
        begin_text(&line, level);
        for (char *at = text; *at; at++)
            if (*at == '\n' || *at == '\r' || *at == '\033')
                *at = '?';
        buffer_add_string(&line, text);
    }
    end_line(&line);
}

void log_debug(const char *event, ...)
{
    va_list pairs;

    va_start(pairs, event);
    write_event(LOG_LEVEL_DEBUG, event, pairs);
    va_end(pairs);
}

void log_event(const char *event, ...)
{
    va_list pairs;

    va_start(pairs, event);
    write_event(LOG_LEVEL_INFO, event, pairs);
    va_end(pairs);
}

void log_warning(const char *event, ...)
{
    va_list pairs;

    va_start(pairs, event);
    write_event(LOG_LEVEL_WARNING, event, pairs);
    va_end(pairs);
}

void log_info(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_message(LOG_LEVEL_INFO, format, arguments);
    va_end(arguments);
}

void log_warn(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_message(LOG_LEVEL_WARNING, format, arguments);
    va_end(arguments);
}
