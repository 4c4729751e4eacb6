#include "net/endpoint.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/memory.h"

static int bad_address(struct harp_error *error, const char *address,
                       const char *reason)
{
    return error_set(error, USAGE_ERROR, "bad_address",
                     "bad address \"%s\": %s; it looks like host, host:port, "
                     "[v6]:port or unix:/path", address, reason);
}

static int parse_path(struct endpoint *endpoint, const char *address,
                      struct harp_error *error)
{
    const char *path = address + strlen("unix:");

    if (*path != '/')
        return bad_address(error, address, "the path is not absolute");
    if (strlen(path) >= sizeof ((struct sockaddr_un *)0)->sun_path)
        return bad_address(error, address, "the path is too long");
    endpoint->path = memory_string(path);
    return 0;
}

static int parse_port(int *port, const char *text, const char *address,
                      struct harp_error *error)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (end == text || *end || number < 0 || number > 65535 || *text == '+')
        return bad_address(error, address, "the port is not 0…65535");
    *port = (int)number;
    return 0;
}

int endpoint_parse(struct endpoint *endpoint, const char *address, int port,
                   struct harp_error *error)
{
    const char *host = address, *colon = strrchr(address, ':');
    const char *end = address + strlen(address);

    if (strncmp(address, "unix:", 5) == 0)
        return parse_path(endpoint, address, error);
    endpoint->port = port;
    if (*address == '[') {
        end = strchr(address, ']');
        if (!end || (end[1] && end[1] != ':'))
            return bad_address(error, address, "the bracket is not closed");
        host = address + 1;
        colon = end[1] ? end + 1 : NULL;
    } else if (colon && strchr(address, ':') != colon) {
        colon = NULL;           /* several colons: a bare IPv6 address */
    } else if (colon) {
        end = colon;
    }
    if (colon && parse_port(&endpoint->port, colon + 1, address, error) != 0)
        return -1;
    if (end == host || strcspn(host, " \t\r\n/@?#") < (size_t)(end - host))
        return bad_address(error, address, "no host name");
    endpoint->host = memory_copy(host, (size_t)(end - host));
    return 0;
}

char *endpoint_name(const struct endpoint *endpoint)
{
    if (endpoint->path)
        return memory_format("unix:%s", endpoint->path);
    return memory_format(strchr(endpoint->host, ':') ? "[%s]:%d" : "%s:%d",
                         endpoint->host, endpoint->port);
}

char *endpoint_route(const struct endpoint *endpoint)
{
    char *name = endpoint_name(endpoint), *route;

    if (!endpoint->proxy.address)
        return name;
    route = memory_format("%s via %s", name, endpoint->proxy.address);
    free(name);
    return route;
}

enum trust endpoint_trust(const struct endpoint *endpoint)
{
    return endpoint->insecure ? TRUST_ANYONE
         : endpoint->pin ? TRUST_PIN
         : endpoint->known_certs ? TRUST_KNOWN_CERTS
         : endpoint->first_use ? TRUST_FIRST_USE
         : endpoint->ca_file ? TRUST_AUTHORITY : TRUST_SYSTEM;
}

void endpoint_copy(struct endpoint *copy, const struct endpoint *endpoint)
{
    *copy = *endpoint;
    copy->host = memory_string(endpoint->host);
    copy->path = memory_string(endpoint->path);
    proxy_copy(&copy->proxy, &endpoint->proxy);
    copy->ca_file = memory_string(endpoint->ca_file);
    copy->pin = memory_string(endpoint->pin);
    copy->known_certs = memory_string(endpoint->known_certs);
    copy->known_hosts = memory_string(endpoint->known_hosts);
    copy->cert_file = memory_string(endpoint->cert_file);
    copy->key_file = memory_string(endpoint->key_file);
}

void endpoint_free(struct endpoint *endpoint)
{
    free(endpoint->host);
    free(endpoint->path);
    proxy_free(&endpoint->proxy);
    free(endpoint->ca_file);
    free(endpoint->pin);
    free(endpoint->known_certs);
    free(endpoint->known_hosts);
    free(endpoint->cert_file);
    free(endpoint->key_file);
    *endpoint = (struct endpoint){ 0 };
}
