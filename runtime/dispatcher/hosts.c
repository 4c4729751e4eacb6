#include "dispatcher/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "host/config.h"
#include "wire/json.h"

#define PORT 4306

/* In the order of their names, as config_each gives them. */
struct hosts {
    struct host *list;
    size_t count;
};

static void read_endpoint(struct config *config, const char *name,
                          struct endpoint *endpoint)
{
    const char *address = config_string(config, "address", name);
    double port = config_number(config, "port", PORT);
    const char *ca_file = config_string(config, "ca_file", NULL);
    const char *pin = config_string(config, "pin", NULL);
    struct harp_error error;

    if (!(port >= 1 && port <= 65535))
        config_complain(config, name, "the port is not 1…65535");
    else if (!json_is_utf8(text_of(name)) || !json_is_utf8(text_of(address)))
        config_complain(config, "hosts", "has names that are not UTF-8");
    else if (endpoint_parse(endpoint, address, (int)port, &error) != 0)
        config_complain(config, name, error.message);
    endpoint->tls = true;
    endpoint->insecure = !config_boolean(config, "verify", true);
    endpoint->ca_file = memory_string(ca_file);
    endpoint->pin = memory_string(pin);
}

static void add_host(struct config *config, const char *name, void *context)
{
    struct hosts *hosts = context;
    const char *user, *password;
    struct host host = { 0 };

    if (!name) {
        config_complain(config, "hosts", "must map names to tables");
        return;
    }
    user = config_string(config, "user", NULL);
    password = config_string(config, "password", NULL);
    if (!user || !password)
        config_complain(config, name, "a host needs a user and a password");
    host.name = memory_string(name);
    host.user = memory_string(user ? user : "");
    host.password = memory_string(password ? password : "");
    read_endpoint(config, name, &host.endpoint);
    hosts->list = memory_grow(hosts->list,
                              (hosts->count + 1) * sizeof *hosts->list);
    hosts->list[hosts->count++] = host;
}

struct hosts *hosts_read(struct config *config)
{
    struct hosts *hosts = memory_new(sizeof *hosts);

    config_each(config, "hosts", add_host, hosts);
    return hosts;
}

static int by_name(const void *name, const void *host)
{
    return strcmp(name, ((const struct host *)host)->name);
}

const struct host *hosts_find(const struct hosts *hosts, const char *name)
{
    if (hosts->count == 0)
        return NULL;
    return bsearch(name, hosts->list, hosts->count, sizeof *hosts->list,
                   by_name);
}

void hosts_each(const struct hosts *hosts,
                void (*each)(void *owner, const struct host *host),
                void *owner)
{
    for (size_t i = 0; i < hosts->count; i++)
        each(owner, &hosts->list[i]);
}

void hosts_free(struct hosts *hosts)
{
    if (!hosts)
        return;
    for (size_t i = 0; i < hosts->count; i++) {
        struct host *host = &hosts->list[i];

        explicit_bzero(host->password, strlen(host->password));
        free(host->name);
        free(host->user);
        free(host->password);
        endpoint_free(&host->endpoint);
    }
    free(hosts->list);
    free(hosts);
}
