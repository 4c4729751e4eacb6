#include "base/error.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

int error_set(struct harp_error *error, const char *kind, const char *type,
              const char *format, ...)
{
    va_list arguments;

    error->kind = kind;
    snprintf(error->type, sizeof error->type, "%s", type);
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return -1;
}

int error_prefix(struct harp_error *error, const char *format, ...)
{
    char text[2 * sizeof error->message];
    va_list arguments;
    size_t used;

    va_start(arguments, format);
    vsnprintf(text, sizeof error->message, format, arguments);
    va_end(arguments);
    used = strlen(text);
    snprintf(text + used, sizeof text - used, ": %s", error->message);
    text[sizeof error->message - 1] = '\0';
    memcpy(error->message, text, sizeof error->message);
    return -1;
}

const char *error_name(int number, char *name, unsigned long size)
{
    const char *upper = strerrorname_np(number);
    size_t i = 0;

    if (!upper) {
        snprintf(name, size, "errno_%d", number);
        return name;
    }
    for (; upper[i] && i + 1 < size; i++)
        name[i] = (char)tolower((unsigned char)upper[i]);
    name[i] = '\0';
    return name;
}
