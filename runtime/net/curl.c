#include "net/curl.h"

#include <stdbool.h>

#include "base/error.h"
#include "net/openssl.h"

#define FILE_NAME "libcurl.so.4"

static struct harp_error missing;

static CURLcode no_setopt(CURL *easy, CURLoption option, ...)
{
    (void)easy;
    (void)option;
    return CURLE_FAILED_INIT;
}

static CURLcode no_getinfo(CURL *easy, CURLINFO info, ...)
{
    (void)easy;
    (void)info;
    return CURLE_FAILED_INIT;
}

static const char *tell_what_is_missing(CURLcode code)
{
    (void)code;
    return missing.message;
}

struct curl_functions curl_functions;

int curl_load(void)
{
    static const char *const names[] = { CURL_FUNCTIONS(LIBRARY_NAME) };
    static bool loaded;

    if (!loaded)                /* libcurl's TLS is OpenSSL's */
        loaded = library_load(FILE_NAME, names, sizeof names / sizeof *names,
                              &curl_functions, &missing) == 0
            && openssl_load(&missing) == 0;
    if (loaded)
        return 0;
    curl_easy_setopt = no_setopt;
    curl_easy_getinfo = no_getinfo;
    curl_easy_strerror = tell_what_is_missing;
    return -1;
}
