#include "daemon/users.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

struct user {
    char *name;
    char *secret;
};

struct users {
    struct user *list;
    size_t count;
};

/* What an unknown user's password is held against: no password fits. */
static const char nobody[] =
    "$6$nobodynobodynobo$.........................................."
    "............................................";

struct users *users_new(void)
{
    return memory_new(sizeof(struct users));
}

void users_add(struct users *users, const char *name, const char *secret)
{
    users->list = memory_grow(users->list,
                              (users->count + 1) * sizeof *users->list);
    users->list[users->count++] = (struct user){ memory_string(name),
                                                 memory_string(secret) };
}

static int add_line(struct users *users, char *line)
{
    char *colon = strchr(line, ':');

    line[strcspn(line, "\r\n")] = '\0';
    if (*line == '#' || !*line)
        return 0;
    if (!colon || colon == line || colon[1] != '$')
        return -1;
    *colon = '\0';
    users_add(users, line, colon + 1);
    return 0;
}

int users_read(struct users *users, const char *path,
               struct harp_error *error)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0, number = 0;
    int status = 0;

    if (!file)
        return error_set(error, USAGE_ERROR, "configuration",
                         "cannot read the password file %s: %s", path,
                         strerror(errno));
    while (status == 0 && getline(&line, &size, file) >= 0) {
        number++;
        if (add_line(users, line) != 0)
            status = error_set(error, USAGE_ERROR, "configuration",
                               "%s:%zu: a line must be USER:HASH, the hash "
                               "as crypt(3) makes it", path, number);
    }
    free(line);
    fclose(file);
    return status;
}

size_t users_count(const struct users *users)
{
    return users->count;
}

static const char *secret_of(const struct users *users, const char *name)
{
    for (size_t i = 0; i < users->count; i++)
        if (strcmp(users->list[i].name, name) == 0)
            return users->list[i].secret;
    return NULL;
}

/* Takes as long wherever the two differ. */
static bool is_same(const char *a, const char *b)
{
    size_t length = strlen(a);

    return length == strlen(b) && CRYPTO_memcmp(a, b, length) == 0;
}

bool users_check(const struct users *users, const char *name,
                 const char *password)
{
    const char *secret = secret_of(users, name);
    struct crypt_data *data;
    const char *hash;
    bool same;

    if (secret && *secret != '$')
        return is_same(secret, password);
    data = memory_new(sizeof *data);
    hash = crypt_r(password, secret ? secret : nobody, data);
    same = secret && hash && is_same(secret, hash);
    OPENSSL_cleanse(data, sizeof *data);
    free(data);
    return same;
}

void users_free(struct users *users)
{
    if (!users)
        return;
    for (size_t i = 0; i < users->count; i++) {
        OPENSSL_cleanse(users->list[i].secret, strlen(users->list[i].secret));
        free(users->list[i].name);
        free(users->list[i].secret);
    }
    free(users->list);
    free(users);
}
