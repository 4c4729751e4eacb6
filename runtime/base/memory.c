#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (!memory) {
        fputs("harp: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *memory_new(size_t size)
{
    return checked(calloc(1, size));
}

void *memory_grow(void *old, size_t size)
{
    return checked(realloc(old, size));
}

char *memory_copy(const char *data, size_t length)
{
    char *copy = checked(malloc(length + 1));

    if (length)
        memcpy(copy, data, length);
    copy[length] = '\0';
    return copy;
}

char *memory_string(const char *string)
{
    return string ? memory_copy(string, strlen(string)) : NULL;
}

char *memory_format(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    int length;

    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return checked(length < 0 ? NULL : text);
}
