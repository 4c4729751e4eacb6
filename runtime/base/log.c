#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static const char *log_program = "harp";

void log_name(const char *name)
{
    log_program = name;
}

/* One write a line, so that lines of several processes do not mix. */
static void line(const char *level, const char *format, va_list arguments)
{
    char text[1024];

    vsnprintf(text, sizeof text, format, arguments);
    fprintf(stderr, "%s: %s%s\n", log_program, level, text);
}

void log_info(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    line("", format, arguments);
    va_end(arguments);
}

void log_warn(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    line("warning: ", format, arguments);
    va_end(arguments);
}
