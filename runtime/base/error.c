#include "base/error.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* A message that reaches its limit is not cut within a character. */
static void end_between_characters(char *text, size_t size)
{
    size_t length = strlen(text);
    int more = 3;               /* bytes at most behind a character's first */

    if (length + 1 < size)
        return;
    while (length && more-- && (text[length - 1] & 0xc0) == 0x80)
        length--;
    if (length && (text[length - 1] & 0xc0) == 0xc0)
        length--;
    text[length] = '\0';
}

int error_set(struct harp_error *error, const char *kind, const char *type,
              const char *format, ...)
{
    va_list arguments;

    error->kind = kind;
    snprintf(error->type, sizeof error->type, "%s", type);
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    end_between_characters(error->message, sizeof error->message);
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
    end_between_characters(error->message, sizeof error->message);
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
