#include "net/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "net/listen.h"
#include "net/systemd.h"

static const char systemd[] = "systemd";

/* What is behind the word. */
static const char *rest_of(const char *address)
{
    return address + strlen(systemd);
}

/* A number behind it is a port, of a machine that is called so. */
static bool is_systemd(const char *address)
{
    const char *rest = rest_of(address);

    return strncmp(address, systemd, strlen(systemd)) == 0
        && (!*rest || (*rest == ':' && rest[1]
                       && rest[1 + strspn(rest + 1, "0123456789")]));
}

int place_parse(struct place *place, const char *address, int port,
                struct harp_error *error)
{
    place->address = memory_string(address);
    place->systemd = is_systemd(address);
    return place->systemd ? 0
         : endpoint_parse(&place->endpoint, address, port, error);
}

static int take_socket(const struct place *place, char **name,
                       struct harp_error *error)
{
    const char *rest = rest_of(place->address);
    int fd = systemd_take_socket(*rest ? rest + 1 : NULL, error);

    if (fd < 0 || listen_adopt(fd, name, error) != 0)
        return error_prefix(error, "listen: %s", place->address);
    return fd;
}

int place_open(const struct place *place, mode_t mode, char **name,
               struct harp_error *error)
{
    return place->systemd ? take_socket(place, name, error)
         : listen_open(&place->endpoint, mode, name, error);
}

void place_free(struct place *place)
{
    free(place->address);
    endpoint_free(&place->endpoint);
}
