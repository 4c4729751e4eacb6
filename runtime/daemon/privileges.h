/*
 * Who a call's process is, and how much it may use. All of it lasts until
 * the process ends, and is inherited by what it starts.
 */
#ifndef HARP_DAEMON_PRIVILEGES_H
#define HARP_DAEMON_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct harp_error;

/* Bytes of address space, seconds of processor time, descriptors; 0: as is. */
struct limits {
    unsigned long memory;
    unsigned long cpu;
    unsigned long files;
};

struct identity {
    bool has_user;
    uid_t uid;
    bool has_group;
    gid_t gid;                  /* without it, that of the user's account */
    gid_t *groups;              /* all of them; NULL: those of the account */
    size_t group_count;
};

/* A variable of the environment; a value NULL removes it. */
struct variable {
    const char *name;
    const char *value;
};

/*
 * HOME, USER, LOGNAME, SHELL and PATH of an identity with a user, who gets
 * nothing else but LANG…, LC_… and TZ of what there was; then the variables.
 * To be called while there is one thread. Error: system_error.
 */
int privileges_environment(const struct identity *identity,
                           const struct variable *variables, size_t count,
                           struct harp_error *error);

/*
 * Sets the limits. Of memory 8 MiB are held back, for limits_relax: what is
 * to be said when it has run out. Error: system_error.
 */
int limits_set(const struct limits *limits, struct harp_error *error);
void limits_relax(void);

/*
 * Becomes the user and the groups, for good, and makes sure of it. Whoever
 * becomes another user is in / with umask 022, and leaves no core. Error:
 * system_error.
 */
int privileges_take(const struct identity *identity,
                    struct harp_error *error);

#endif
