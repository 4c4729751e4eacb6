#include "bindings/libedit.h"

#include <stdbool.h>

#define FILE_NAME "libedit.so.2"

struct libedit_functions libedit_functions;

int libedit_load(struct harp_error *error)
{
    static const char *const names[] = { LIBEDIT_FUNCTIONS(LIBRARY_NAME) };
    static bool loaded;

    if (!loaded)
        loaded = library_load(FILE_NAME, names, sizeof names / sizeof *names,
                              &libedit_functions, error) == 0;
    return loaded ? 0 : -1;
}
