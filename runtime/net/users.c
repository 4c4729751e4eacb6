#include "net/users.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/library.h"
#include "base/memory.h"
#include "net/openssl.h"

#define CRYPT_FILE "libcrypt.so.1"

struct user {
    char *name;
    char *secret;
};

struct list {
    struct user *users;
    size_t count;
};

/* What tells one state of a file from another. */
struct stamp {
    ino_t inode;
    off_t size;
    struct timespec modified;
};

struct users {
    struct list own;
    struct list filed;
    char *path;                 /* of the password file, or NULL */
    struct stamp stamp;         /* of the file as it was looked at last */
};

static __typeof__(crypt_r) *hash_password;

int users_prepare(struct harp_error *error)
{
    static const char *const names[] = { "crypt_r" };

    if (openssl_load(error) != 0)
        return -1;
    return hash_password ? 0
         : library_load(CRYPT_FILE, names, 1, &hash_password, error);
}

struct users *users_new(void)
{
    return memory_new(sizeof(struct users));
}

/* ---- lists ---- */

static void add(struct list *list, const char *name, const char *secret)
{
    list->users = memory_grow(list->users,
                              (list->count + 1) * sizeof *list->users);
    list->users[list->count++] = (struct user){ memory_string(name),
                                                memory_string(secret) };
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void free_list(struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->users[i].name);
        wipe(list->users[i].secret);
    }
    free(list->users);
    *list = (struct list){ 0 };
}

static const char *find(const struct list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->users[i].name, name) == 0)
            return list->users[i].secret;
    return NULL;
}

void users_add(struct users *users, const char *name, const char *secret)
{
    add(&users->own, name, secret);
}

/* ---- the file ---- */

static int add_line(struct list *list, char *line)
{
    char *colon = strchr(line, ':');

    line[strcspn(line, "\r\n")] = '\0';
    if (*line == '#' || !*line)
        return 0;
    if (!colon || colon == line || colon[1] != '$')
        return -1;
    *colon = '\0';
    add(list, line, colon + 1);
    return 0;
}

static int read_lines(struct list *list, FILE *file, const char *path,
                      struct harp_error *error)
{
    char *line = NULL;
    size_t size = 0, number = 0;
    int status = 0;

    while (status == 0 && getline(&line, &size, file) >= 0) {
        number++;
        if (add_line(list, line) != 0)
            status = error_set(error, USAGE_ERROR, "configuration",
                               "%s:%zu: a line must be USER:HASH, the hash "
                               "as crypt(3) makes it", path, number);
    }
    free(line);
    return status;
}

static int read_file(struct list *list, const char *path,
                     struct harp_error *error)
{
    FILE *file = fopen(path, "re");
    int status;

    if (!file)
        return error_set(error, USAGE_ERROR, "configuration",
                         "cannot read the password file %s: %s", path,
                         strerror(errno));
    status = read_lines(list, file, path, error);
    fclose(file);
    if (status != 0)
        free_list(list);
    return status;
}

/* All zero when there is none. */
static struct stamp look(const char *path)
{
    struct stat file;

    if (stat(path, &file) != 0)
        return (struct stamp){ 0 };
    return (struct stamp){ file.st_ino, file.st_size, file.st_mtim };
}

static bool is_as_before(struct stamp a, struct stamp b)
{
    return a.inode == b.inode && a.size == b.size
        && a.modified.tv_sec == b.modified.tv_sec
        && a.modified.tv_nsec == b.modified.tv_nsec;
}

int users_read(struct users *users, const char *path,
               struct harp_error *error)
{
    free(users->path);
    users->path = memory_string(path);
    users->stamp = look(path);
    free_list(&users->filed);
    return read_file(&users->filed, path, error);
}

const char *users_changed(struct users *users)
{
    struct stamp before = users->stamp;

    if (!users->path)
        return NULL;
    users->stamp = look(users->path);
    return is_as_before(users->stamp, before) ? NULL : users->path;
}

int users_refresh(struct users *users, struct harp_error *error)
{
    struct list fresh = { 0 };

    if (read_file(&fresh, users->path, error) != 0)
        return -1;
    free_list(&users->filed);
    users->filed = fresh;
    return 0;
}

size_t users_count(const struct users *users)
{
    return users->own.count + users->filed.count;
}

void users_free(struct users *users)
{
    if (!users)
        return;
    free_list(&users->own);
    free_list(&users->filed);
    free(users->path);
    free(users);
}

/* ---- checking ---- */

struct users_trial {
    char *password;
    char *secret;               /* the user's; NULL when there is none */
    char *hash;                 /* that the password is hashed against */
};

static bool is_hash(const char *secret)
{
    return secret && *secret == '$';
}

static const char *any_hash(const struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (is_hash(list->users[i].secret))
            return list->users[i].secret;
    return NULL;
}

/*
 * What a password is hashed against: the user's own hash or, for users who
 * have none or are not there, another's. NULL when nobody has one.
 */
static const char *hash_for(const struct users *users, const char *secret)
{
    const char *hash = is_hash(secret) ? secret : any_hash(&users->own);

    return hash ? hash : any_hash(&users->filed);
}

struct users_trial *users_try(const struct users *users, const char *name,
                              const char *password)
{
    struct users_trial *trial = memory_new(sizeof *trial);
    const char *secret = find(&users->own, name);

    if (!secret)
        secret = find(&users->filed, name);
    trial->password = memory_string(password);
    trial->secret = memory_string(secret);
    trial->hash = memory_string(hash_for(users, secret));
    return trial;
}

/* Takes as long whatever the two are: it is their digests that differ. */
static bool is_same(const char *a, const char *b)
{
    unsigned char left[SHA256_DIGEST_LENGTH], right[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)a, strlen(a), left);
    SHA256((const unsigned char *)b, strlen(b), right);
    return CRYPTO_memcmp(left, right, sizeof left) == 0;
}

static bool fits_hash(const char *password, const char *hash)
{
    struct crypt_data *data = memory_new(sizeof *data);
    const char *made = hash_password(password, hash, data);
    bool fits = made && is_same(hash, made);

    explicit_bzero(data, sizeof *data);
    free(data);
    return fits;
}

/* Does the same work for everyone, so that time does not tell who exists. */
bool users_trial_passes(const struct users_trial *trial)
{
    const char *secret = trial->secret;
    bool fits = trial->hash && fits_hash(trial->password, trial->hash);
    bool same = is_same(secret ? secret : "", trial->password);

    return secret && (is_hash(secret) ? fits : same);
}

void users_trial_free(struct users_trial *trial)
{
    if (!trial)
        return;
    wipe(trial->password);
    wipe(trial->secret);
    wipe(trial->hash);
    free(trial);
}

bool users_check(const struct users *users, const char *name,
                 const char *password)
{
    struct users_trial *trial = users_try(users, name, password);
    bool passes = users_trial_passes(trial);

    users_trial_free(trial);
    return passes;
}
