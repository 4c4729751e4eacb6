#include "net/sessions.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "net/openssl.h"

#define MOST 4096               /* peers; a session takes a few KiB */
#define AGE 600                 /* seconds that a certificate lasts */

struct met {
    char *name;
    SSL_SESSION *session;
    struct identity identity;
};

static void *entries;           /* by name: tsearch(3) */
static size_t count;

int64_t sessions_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static int by_name(const void *left, const void *right)
{
    const struct met *a = left, *b = right;

    return strcmp(a->name, b->name);
}

static struct met *find(const char *name)
{
    struct met key = { .name = (char *)(uintptr_t)name };
    struct met **found = tfind(&key, &entries, by_name);

    return found ? *found : NULL;
}

static void free_met(void *node)
{
    struct met *entry = node;

    SSL_SESSION_free(entry->session);
    free(entry->name);
    free(entry);
}

/* A full house is cleared: what is used is soon there again. */
static struct met *add(const char *name)
{
    struct met *entry = memory_new(sizeof *entry);

    if (count == MOST) {
        tdestroy(entries, free_met);
        entries = NULL;
        count = 0;
    }
    entry->name = memory_string(name);
    if (!tsearch(entry, &entries, by_name))
        abort();
    count++;
    return entry;
}

/* A copy: OpenSSL spoils a session whose connection ends badly. */
void sessions_keep(const char *name, SSL_SESSION *session,
                   const struct identity *identity)
{
    SSL_SESSION *copy = SSL_SESSION_dup(session);
    struct met *entry;

    if (!copy)
        return;
    entry = find(name);
    if (!entry)
        entry = add(name);
    SSL_SESSION_free(entry->session);
    entry->session = copy;
    entry->identity = *identity;
}

SSL_SESSION *sessions_find(const char *name, struct identity *identity)
{
    struct met *entry = find(name);

    if (!entry || sessions_now() - entry->identity.met > AGE)
        return NULL;
    *identity = entry->identity;
    return SSL_SESSION_dup(entry->session);
}
