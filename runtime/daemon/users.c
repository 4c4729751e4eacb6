#include "daemon/users.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "net/openssl.h"

struct user {
    char *name;
    char *secret;
};

struct users {
    struct user *list;
    size_t count;
};

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

/* Takes as long whatever the two are: it is their digests that differ. */
static bool is_same(const char *a, const char *b)
{
    unsigned char left[SHA256_DIGEST_LENGTH], right[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)a, strlen(a), left);
    SHA256((const unsigned char *)b, strlen(b), right);
    return CRYPTO_memcmp(left, right, sizeof left) == 0;
}

static bool is_hash(const char *secret)
{
    return secret && *secret == '$';
}

/*
 * What a password is hashed against: the user's own hash or, for users who
 * have none or are not there, another's. NULL when nobody has one.
 */
static const char *hash_for(const struct users *users, const char *secret)
{
    if (is_hash(secret))
        return secret;
    for (size_t i = 0; i < users->count; i++)
        if (is_hash(users->list[i].secret))
            return users->list[i].secret;
    return NULL;
}

static bool fits_hash(const char *password, const char *hash)
{
    struct crypt_data *data = memory_new(sizeof *data);
    const char *made = crypt_r(password, hash, data);
    bool fits = made && is_same(hash, made);

    explicit_bzero(data, sizeof *data);
    free(data);
    return fits;
}

/* Does the same work for everyone, so that time does not tell who exists. */
bool users_check(const struct users *users, const char *name,
                 const char *password)
{
    const char *secret = secret_of(users, name);
    const char *hash = hash_for(users, secret);
    bool fits = hash && fits_hash(password, hash);
    bool same = is_same(secret ? secret : "", password);

    return secret && (is_hash(secret) ? fits : same);
}

void users_free(struct users *users)
{
    if (!users)
        return;
    for (size_t i = 0; i < users->count; i++) {
        explicit_bzero(users->list[i].secret, strlen(users->list[i].secret));
        free(users->list[i].name);
        free(users->list[i].secret);
    }
    free(users->list);
    free(users);
}
