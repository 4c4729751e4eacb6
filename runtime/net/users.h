/*
 * Who may come in: users and their passwords, inline or from a password file
 * of lines `user:$6$salt$hash` (protocol §2).
 */
#ifndef HARP_NET_USERS_H
#define HARP_NET_USERS_H

#include <stdbool.h>
#include <stddef.h>

struct harp_error;
struct users;
struct users_trial;

struct users *users_new(void);

/* Loads what the checks need; to be called before the first of them. */
int users_prepare(struct harp_error *error);

/* A secret that begins with "$" is a crypt(3) hash, else the password. */
void users_add(struct users *users, const char *name, const char *secret);

/* Blank lines and lines that begin with "#" are passed over. */
int users_read(struct users *users, const char *path,
               struct harp_error *error);

/*
 * The file, once, when it has changed since it was looked at last; else NULL.
 * Then it is to be read again. When it cannot be, -1: what was read before
 * stays.
 */
const char *users_changed(struct users *users);
int users_refresh(struct users *users, struct harp_error *error);

size_t users_count(const struct users *users);

/* Takes as long for a user who is not there as for a wrong password. */
bool users_check(const struct users *users, const char *name,
                 const char *password);

/*
 * The same in two steps: a trial has its own copy of all that it needs, so
 * that another thread can do the work, and the users may change meanwhile.
 */
struct users_trial *users_try(const struct users *users, const char *name,
                              const char *password);
bool users_trial_passes(const struct users_trial *trial);
void users_trial_free(struct users_trial *trial);

void users_free(struct users *users);

#endif
