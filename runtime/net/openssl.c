#include "net/openssl.h"

#include <stdbool.h>

#define FILE_NAME "libssl.so.3"         /* libcrypto comes with it */

struct openssl_functions openssl_functions;

int openssl_load(struct harp_error *error)
{
    static const char *const names[] = { OPENSSL_FUNCTIONS(LIBRARY_NAME) };
    static bool loaded;

    if (!loaded)
        loaded = library_load(FILE_NAME, names, sizeof names / sizeof *names,
                              &openssl_functions, error) == 0;
    return loaded ? 0 : -1;
}
