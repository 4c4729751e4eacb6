/*
 * Who may call: users and their passwords, inline or from a password file of
 * lines `user:$6$salt$hash` (protocol §2).
 */
#ifndef HARP_DAEMON_USERS_H
#define HARP_DAEMON_USERS_H

#include <stdbool.h>
#include <stddef.h>

struct harp_error;
struct users;

struct users *users_new(void);

/* A secret that begins with "$" is a crypt(3) hash, else the password. */
void users_add(struct users *users, const char *name, const char *secret);

/* Blank lines and lines that begin with "#" are passed over. */
int users_read(struct users *users, const char *path,
               struct harp_error *error);

size_t users_count(const struct users *users);

/* Takes as long for a user who is not there as for a wrong password. */
bool users_check(const struct users *users, const char *name,
                 const char *password);

void users_free(struct users *users);

#endif
