#include "daemon/origins.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/memory.h"

#define BUCKETS 1024
#define MEMORY 600000           /* ms that a wrong password is remembered */
#define MOST_REMEMBERED 10000   /* origins of wrong passwords */
#define LONGEST_DELAY 10.0      /* seconds */

/* Zeroed where a kind of address has fewer bytes. */
struct key {
    sa_family_t family;
    unsigned char bytes[8];
};

struct origin {
    LIST_ENTRY(origin) link;            /* in its bucket */
    TAILQ_ENTRY(origin) remembered;     /* while it has failures */
    struct origins *origins;
    struct key key;
    size_t connections;         /* without any of these three… */
    size_t processes;
    unsigned failures;          /* …it is gone */
    uint64_t failed;            /* last; ms */
};

struct origins {
    LIST_HEAD(, origin) buckets[BUCKETS];
    TAILQ_HEAD(failed, origin) failed;  /* the longest ago first */
    size_t count;               /* of these */
};

struct origins *origins_new(void)
{
    struct origins *origins = memory_new(sizeof *origins);

    TAILQ_INIT(&origins->failed);
    return origins;
}

/* ---- keys ---- */

static struct key key_of_ipv6(const struct in6_addr *address)
{
    struct key key = { .family = AF_INET6 };

    if (IN6_IS_ADDR_V4MAPPED(address)) {
        key.family = AF_INET;
        memcpy(key.bytes, address->s6_addr + 12, 4);
    } else {
        memcpy(key.bytes, address->s6_addr, 8);
    }
    return key;
}

static uid_t user_of(int socket)
{
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t size = sizeof peer;

    getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    return peer.uid;
}

static struct key key_of(int socket, const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    struct key key = { .family = address->ss_family };
    uid_t user;

    if (address->ss_family == AF_INET6)
        return key_of_ipv6(&v6->sin6_addr);
    if (address->ss_family == AF_INET) {
        memcpy(key.bytes, &v4->sin_addr, 4);
    } else {
        user = user_of(socket);
        memcpy(key.bytes, &user, sizeof user);
    }
    return key;
}

static void set_name(int socket, const struct sockaddr_storage *address,
                     char name[CALLER_NAME])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    char host[INET6_ADDRSTRLEN] = "?";

    switch (address->ss_family) {
    case AF_INET:
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(name, CALLER_NAME, "%s:%d", host, ntohs(v4->sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(name, CALLER_NAME, "[%s]:%d", host, ntohs(v6->sin6_port));
        break;
    default:
        snprintf(name, CALLER_NAME, "unix:uid=%u", user_of(socket));
    }
}

/* FNV-1a: whoever picks addresses to meet in a bucket gains little. */
static size_t bucket_of(const struct key *key)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < sizeof key->bytes; i++)
        hash = (hash ^ key->bytes[i]) * 16777619u;
    return hash % BUCKETS;
}

/* ---- the table ---- */

static bool is_same(const struct key *a, const struct key *b)
{
    return a->family == b->family
        && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

struct origin *origins_enter(struct origins *origins, int socket,
                             const struct sockaddr_storage *address,
                             char name[CALLER_NAME])
{
    struct key key = key_of(socket, address);
    size_t bucket = bucket_of(&key);
    struct origin *origin;

    set_name(socket, address, name);
    LIST_FOREACH(origin, &origins->buckets[bucket], link)
        if (is_same(&origin->key, &key))
            break;
    if (!origin) {
        origin = memory_new(sizeof *origin);
        origin->origins = origins;
        origin->key = key;
        LIST_INSERT_HEAD(&origins->buckets[bucket], origin, link);
    }
    origin->connections++;
    return origin;
}

static void free_if_unused(struct origin *origin)
{
    if (origin->connections || origin->processes || origin->failures)
        return;
    LIST_REMOVE(origin, link);
    free(origin);
}

void origin_leave(struct origin *origin)
{
    origin->connections--;
    free_if_unused(origin);
}

void origin_add_process(struct origin *origin)
{
    origin->processes++;
}

void origin_remove_process(struct origin *origin)
{
    origin->processes--;
    free_if_unused(origin);
}

size_t origin_processes(const struct origin *origin)
{
    return origin->processes;
}

/* ---- wrong passwords ---- */

static void forget(struct origin *origin)
{
    struct origins *origins = origin->origins;

    TAILQ_REMOVE(&origins->failed, origin, remembered);
    origins->count--;
    origin->failures = 0;
    free_if_unused(origin);
}

static bool is_old(const struct origin *origin, uint64_t now)
{
    return now - origin->failed > MEMORY;
}

static void forget_old(struct origins *origins, uint64_t now)
{
    struct origin *first;

    while ((first = TAILQ_FIRST(&origins->failed))
           && (is_old(first, now) || origins->count >= MOST_REMEMBERED))
        forget(first);
}

unsigned origin_fail(struct origin *origin, uint64_t now)
{
    struct origins *origins = origin->origins;

    forget_old(origins, now);
    if (origin->failures) {
        TAILQ_REMOVE(&origins->failed, origin, remembered);
        origins->count--;
    }
    TAILQ_INSERT_TAIL(&origins->failed, origin, remembered);
    origins->count++;
    origin->failed = now;
    return ++origin->failures;
}

double origin_delay(const struct origin *origin, double least, uint64_t now)
{
    unsigned doubled = is_old(origin, now) ? 0 : origin->failures;
    double delay = least;

    while (doubled-- > 0 && delay > 0 && delay < LONGEST_DELAY)
        delay *= 2;
    return delay < LONGEST_DELAY || delay == least ? delay : LONGEST_DELAY;
}

void origins_free(struct origins *origins)
{
    if (!origins)
        return;
    while (!TAILQ_EMPTY(&origins->failed))
        forget(TAILQ_FIRST(&origins->failed));
    free(origins);
}
