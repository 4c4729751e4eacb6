#include "dispatcher/doors.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/parts.h"
#include "dispatcher/session.h"
#include "host/config.h"
#include "host/config_users.h"
#include "net/listen.h"
#include "net/service.h"
#include "net/systemd.h"
#include "net/tls.h"
#include "net/users.h"

#define PORT 3502
#define ADDRESS "127.0.0.1:3502"
#define BACKLOG 1024

/* ---- what may be ---- */

static int refuse(struct harp_error *error, const char *format,
                  const char *address)
{
    return error_set(error, USAGE_ERROR, "configuration", format, address);
}

/* On this machine, who may come in is for its users and modes to say. */
static int check(const struct door *door, struct harp_error *error)
{
    if (door->local || door->open)
        return 0;
    if (!door->users && !door->client_ca)
        return refuse(error, "%s is beyond loopback, and anybody could call: "
                      "set users, password_file or client_ca, or open = true "
                      "if that is meant", door->place.address);
    if (door->users && !door->certificate)
        return refuse(error, "%s is beyond loopback, and passwords would go "
                      "to it in the clear: set tls = true, or open = true if "
                      "that is meant", door->place.address);
    return 0;
}

/* ---- settings ---- */

static struct door *door_new(struct doors *doors)
{
    struct door *door = memory_new(sizeof *door);

    door->mode = LISTEN_MODE;
    TAILQ_INSERT_TAIL(doors, door, link);
    return door;
}

static void read_address(struct config *config, struct door *door,
                         const char *address)
{
    struct harp_error error;

    if (place_parse(&door->place, address, PORT, &error) != 0)
        config_complain(config, "listen", error.message);
}

/*
 * Lua has no octal numbers: 0660 is six hundred and sixty, and its digits are
 * what is meant.
 */
static void read_mode(struct config *config, struct door *door)
{
    double number = config_number(config, "mode", 600);
    int rest = number >= 0 && number <= 777 ? (int)number : -1;
    mode_t mode = 0;

    for (int shift = 0; rest > 0 && rest % 10 < 8; shift += 3, rest /= 10)
        mode |= (mode_t)(rest % 10) << shift;
    if (rest != 0)
        config_complain(config, "mode", "must be octal digits, such as 0660");
    door->mode = mode;
}

static void read_tls(struct config *config, struct door *door)
{
    bool tls = config_boolean(config, "tls", false);
    const char *certificate = config_string(config, "certificate", NULL);
    const char *key = config_string(config, "key", certificate);
    const char *client_ca = config_string(config, "client_ca", NULL);

    if (!tls && (certificate || key || client_ca)) {
        config_complain(config, "listen", "certificate, key and client_ca "
                        "are of no use without tls = true");
    } else if (tls && !certificate) {
        config_complain(config, "listen", "tls needs a certificate");
    } else {
        door->certificate = memory_string(certificate);
        door->key = memory_string(key);
        door->client_ca = memory_string(client_ca);
    }
}

static void read_users(struct config *config, struct door *door)
{
    struct users *users = users_new();

    config_users(config, users);
    if (users_count(users))
        door->users = users;
    else
        users_free(users);
}

static void read_door(struct config *config, const char *key, void *context)
{
    const char *text = config_value(config);
    const char *address = text ? text : config_string(config, "address", NULL);
    struct door *door;

    if (key || !address) {
        config_complain(config, "listen", "must be an address, or a list of "
                        "addresses and of tables with an address");
        return;
    }
    door = door_new(context);
    read_address(config, door, address);
    read_mode(config, door);
    read_tls(config, door);
    read_users(config, door);
    door->open = config_boolean(config, "open", false);
}

struct doors *doors_read(struct config *config)
{
    struct doors *doors = memory_new(sizeof *doors);

    TAILQ_INIT(doors);
    if (config_is_string(config, "listen"))
        read_address(config, door_new(doors),
                     config_string(config, "listen", NULL));
    else
        config_each(config, "listen", read_door, doors);
    if (TAILQ_EMPTY(doors))
        read_address(config, door_new(doors), ADDRESS);
    return doors;
}

/* ---- opening ---- */

static int prepare(struct door *door, struct harp_error *error)
{
    door->local = !door->place.systemd
               && listen_is_local(&door->place.endpoint);
    if (!door->place.systemd && check(door, error) != 0)
        return -1;
    if (door->users && users_prepare(error) != 0)
        return -1;
    if (door->certificate)
        door->tls = tls_open(door->certificate, door->key, door->client_ca,
                             false, error);
    return door->certificate && !door->tls ? -1 : 0;
}

int doors_prepare(struct doors *doors, struct harp_error *error)
{
    struct door *door;

    TAILQ_FOREACH(door, doors, link)
        if (prepare(door, error) != 0)
            return error_prefix(error, "listen");
    return 0;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct door *door = listener->data;

    if (status == 0)
        session_start(door);
    else
        log_warn("cannot accept at %s: %s", door->name, uv_strerror(status));
}

/* Where that listens shows only now. */
static int check_systemd(struct door *door, int fd, struct harp_error *error)
{
    if (!door->place.systemd)
        return 0;
    door->local = listen_fd_is_local(fd);
    return check(door, error) == 0 ? 0 : error_prefix(error, "listen");
}

static int open_door(struct door *door, struct parts *parts,
                     struct harp_error *error)
{
    int fd = place_open(&door->place, door->mode, &door->name, error);

    if (fd < 0 || check_systemd(door, fd, error) != 0)
        return -1;
    door->parts = parts;
    if (strncmp(door->name, "unix:", 5) == 0) {
        uv_pipe_init(&parts->loop, &door->listener.pipe, 0);
        uv_pipe_open(&door->listener.pipe, fd);
    } else {
        uv_tcp_init(&parts->loop, &door->listener.tcp);
        uv_tcp_open(&door->listener.tcp, fd);
    }
    door->listener.handle.data = door;
    door->listens = true;
    uv_listen(&door->listener.stream, BACKLOG, on_connection);
    return 0;
}

int doors_open(struct doors *doors, struct parts *parts,
               struct harp_error *error)
{
    struct door *door;

    TAILQ_FOREACH(door, doors, link)
        if (open_door(door, parts, error) != 0) {
            doors_close(doors);
            return -1;
        }
    if (systemd_sockets_left() > 0)
        log_warn("systemd has handed on %d sockets that no listener takes",
                 systemd_sockets_left());
    return 0;
}

void doors_announce(const struct doors *doors)
{
    const struct door *door;

    TAILQ_FOREACH(door, doors, link)
        service_announce(door->name);
}

/* ---- those that wait ---- */

void doors_wait(struct door *door)
{
    if (!door->waits)
        TAILQ_INSERT_TAIL(&door->parts->waiting, door, turn);
    door->waits = true;
}

void doors_admit(struct parts *parts)
{
    struct door *door = TAILQ_FIRST(&parts->waiting);

    if (!door || parts->stopping)
        return;
    TAILQ_REMOVE(&parts->waiting, door, turn);
    door->waits = false;
    session_start(door);
}

/* ---- other users and certificates ---- */

/* The door at that address; of several, one after the other. */
static struct door *find(struct doors *doors, const char *address)
{
    struct door *door;

    TAILQ_FOREACH(door, doors, link)
        if (!door->successor && strcmp(door->place.address, address) == 0)
            return door;
    return NULL;
}

static void swap(void *left, void *right, size_t size)
{
    char kept[sizeof (void *)];

    memcpy(kept, left, size);
    memcpy(left, right, size);
    memcpy(right, kept, size);
}

/* What is not needed any more goes with the successor. */
static void renew(struct door *door)
{
    struct door *other = door->successor;

    swap(&door->users, &other->users, sizeof door->users);
    swap(&door->tls, &other->tls, sizeof door->tls);
    swap(&door->certificate, &other->certificate, sizeof door->certificate);
    swap(&door->key, &other->key, sizeof door->key);
    swap(&door->client_ca, &other->client_ca, sizeof door->client_ca);
    door->open = other->open;
}

/* What systemd listens on shows only here whether it may be. */
static int find_successors(struct doors *doors, struct doors *others,
                           bool *same, struct harp_error *error)
{
    struct door *door, *other;

    TAILQ_FOREACH(door, doors, link)
        door->successor = NULL;
    TAILQ_FOREACH(other, others, link) {
        door = find(doors, other->place.address);
        *same = *same && door;
        if (!door)
            continue;
        door->successor = other;
        other->local = door->local;
        if (check(other, error) != 0)
            return error_prefix(error, "listen");
    }
    return 0;
}

int doors_renew(struct doors *doors, struct doors *others, bool *same,
                struct harp_error *error)
{
    struct door *door;

    *same = true;
    if (find_successors(doors, others, same, error) != 0)
        return -1;
    TAILQ_FOREACH(door, doors, link) {
        *same = *same && door->successor;
        if (door->successor)
            renew(door);
    }
    return 0;
}

/* ---- closing ---- */

static void close_door(struct door *door)
{
    if (door->waits)
        TAILQ_REMOVE(&door->parts->waiting, door, turn);
    door->waits = false;
    if (door->listens)
        uv_close(&door->listener.handle, NULL);
    door->listens = false;
}

void doors_close(struct doors *doors)
{
    struct door *door;

    TAILQ_FOREACH(door, doors, link)
        close_door(door);
}

static void free_door(struct door *door)
{
    users_free(door->users);
    tls_close(door->tls);
    place_free(&door->place);
    free(door->certificate);
    free(door->key);
    free(door->client_ca);
    free(door->name);
    free(door);
}

void doors_free(struct doors *doors)
{
    struct door *door;

    while (doors && (door = TAILQ_FIRST(doors))) {
        TAILQ_REMOVE(doors, door, link);
        free_door(door);
    }
    free(doors);
}
