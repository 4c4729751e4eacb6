#include "net/proxy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "net/curl.h"

static const char *const schemes[] = { "socks5h", "socks5", "socks4a",
                                       "http" };

static int bad_proxy(struct harp_error *error, const char *reason)
{
    return error_set(error, USAGE_ERROR, "bad_address",
                     "bad proxy: %s; it looks like socks5h://host:port, "
                     "socks5://…, socks4a://… or http://…", reason);
}

/* A part of the URL, owned by the caller; NULL when it has none. */
static char *part_of(CURLU *url, CURLUPart what, unsigned flags)
{
    char *part = NULL, *copy;

    if (curl_url_get(url, what, &part, flags) != CURLUE_OK)
        return NULL;
    copy = memory_string(part);
    curl_free(part);
    return copy;
}

static const char *scheme_of(CURLU *url)
{
    char *scheme = part_of(url, CURLUPART_SCHEME, 0);
    const char *known = NULL;

    for (size_t i = 0; scheme && i < sizeof schemes / sizeof *schemes; i++)
        if (strcasecmp(scheme, schemes[i]) == 0)
            known = schemes[i];
    free(scheme);
    return known;
}

static int read_address(struct proxy *proxy, CURLU *url,
                        struct harp_error *error)
{
    const char *scheme = scheme_of(url);
    char *host = part_of(url, CURLUPART_HOST, 0);
    char *port = part_of(url, CURLUPART_PORT, 0);
    char *path = part_of(url, CURLUPART_PATH, 0);
    int status = 0;

    if (!scheme)
        status = bad_proxy(error, "there is no such kind");
    else if (!host || !port)
        status = bad_proxy(error, host ? "it has no port" : "it has no host");
    else if (path && strcmp(path, "/") != 0)
        status = bad_proxy(error, "something is behind its port");
    else
        proxy->address = memory_format("%s://%s:%s", scheme, host, port);
    free(host);
    free(port);
    free(path);
    return status;
}

/* What is not there is no error; what cannot be decoded is. */
static int read_secret(CURLU *url, CURLUPart what, char **secret,
                       struct harp_error *error)
{
    char *encoded = part_of(url, what, 0);
    int status = 0;

    *secret = part_of(url, what, CURLU_URLDECODE);
    if (encoded && !*secret)
        status = bad_proxy(error, "a %XX in it cannot be decoded");
    free(encoded);
    return status;
}

int proxy_parse(struct proxy *proxy, const char *url, struct harp_error *error)
{
    CURLU *parsed;
    int status;

    if (curl_load() != 0)
        return bad_proxy(error, curl_easy_strerror(CURLE_FAILED_INIT));
    parsed = curl_url();
    if (!strstr(url, "://")
        || curl_url_set(parsed, CURLUPART_URL, url,
                        CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        status = bad_proxy(error, "not a URL");
    else if (read_secret(parsed, CURLUPART_USER, &proxy->user, error) != 0
             || read_secret(parsed, CURLUPART_PASSWORD, &proxy->password,
                            error) != 0)
        status = -1;
    else
        status = read_address(proxy, parsed, error);
    curl_url_cleanup(parsed);
    return status;
}

void proxy_copy(struct proxy *copy, const struct proxy *proxy)
{
    copy->address = memory_string(proxy->address);
    copy->user = memory_string(proxy->user);
    copy->password = memory_string(proxy->password);
}

void proxy_free(struct proxy *proxy)
{
    if (proxy->password)
        explicit_bzero(proxy->password, strlen(proxy->password));
    free(proxy->address);
    free(proxy->user);
    free(proxy->password);
    *proxy = (struct proxy){ 0 };
}
