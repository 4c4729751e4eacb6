#include "daemon/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

#define RESERVE (8 << 20)       /* bytes */
#define LEAST_FILES 16          /* that a call's process needs itself */
#define PATH_OF_ROOT \
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PATH_OF_OTHERS "/usr/local/bin:/usr/bin:/bin"

static int fail(struct harp_error *error, const char *what)
{
    return error_set(error, REMOTE_ERROR, "system_error", "%s: %s", what,
                     strerror(errno));
}

/* ---- the environment ---- */

static int set_variable(struct variable variable, struct harp_error *error)
{
    int status = variable.value ? setenv(variable.name, variable.value, 1)
                                : unsetenv(variable.name);

    return status == 0 ? 0 : fail(error, "cannot set the environment");
}

static int set_all(const struct variable *variables, size_t count,
                   struct harp_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (set_variable(variables[i], error) != 0)
            return -1;
    return 0;
}

/* Language and time zone are for everybody. */
static bool is_kept(const char *entry)
{
    return strncmp(entry, "LANG", 4) == 0 || strncmp(entry, "LC_", 3) == 0
        || strncmp(entry, "TZ=", 3) == 0;
}

/* What the daemon was started with is not for other users. */
static void forget_environment(void)
{
    char **at = environ;

    while (*at) {
        char *name = memory_copy(*at, strcspn(*at, "="));

        if (is_kept(*at))
            at++;
        else
            unsetenv(name);     /* the next one takes its place */
        free(name);
    }
}

static int set_account(uid_t uid, struct harp_error *error)
{
    const struct passwd *account = getpwuid(uid);
    char number[16];
    const char *name = account ? account->pw_name : number;
    const struct variable variables[] = {
        { "HOME", account ? account->pw_dir : "/" },
        { "USER", name },
        { "LOGNAME", name },
        { "SHELL", account && *account->pw_shell ? account->pw_shell
                                                 : "/bin/sh" },
        { "PATH", uid == 0 ? PATH_OF_ROOT : PATH_OF_OTHERS },
    };

    snprintf(number, sizeof number, "%u", (unsigned)uid);
    forget_environment();
    return set_all(variables, sizeof variables / sizeof *variables, error);
}

int privileges_environment(const struct identity *identity,
                           const struct variable *variables, size_t count,
                           struct harp_error *error)
{
    if (identity->has_user && set_account(identity->uid, error) != 0)
        return -1;
    return set_all(variables, count, error);
}

/* ---- limits ---- */

static int limit(int resource, rlim_t soft, rlim_t hard, const char *what,
                 struct harp_error *error)
{
    struct rlimit limit = { soft, hard };

    return setrlimit((__rlimit_resource_t)resource, &limit) == 0 ? 0
         : fail(error, what);
}

/* Bytes of address space that this process takes already. */
static unsigned long size_now(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    if (file) {
        if (fscanf(file, "%lu", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return pages * (unsigned long)sysconf(_SC_PAGESIZE);
}

/* With less than these not even the reason could be told. */
static int check_limits(const struct limits *limits,
                        struct harp_error *error)
{
    unsigned long size = limits->memory ? size_now() : 0;

    if (limits->files && limits->files < LEAST_FILES)
        return error_set(error, REMOTE_ERROR, "system_error", "the limit of "
                         "files must be at least %d", LEAST_FILES);
    if (limits->memory && limits->memory < size)
        return error_set(error, REMOTE_ERROR, "system_error", "the limit of "
                         "memory must be more than %lu bytes, which a call "
                         "takes as it begins", size);
    return 0;
}

int limits_set(const struct limits *limits, struct harp_error *error)
{
    if (check_limits(limits, error) != 0)
        return -1;
    if (limits->memory
        && limit(RLIMIT_AS, limits->memory, limits->memory + RESERVE,
                 "cannot limit memory", error) != 0)
        return -1;
    if (limits->cpu && limit(RLIMIT_CPU, limits->cpu, limits->cpu + 1,
                             "cannot limit processor time", error) != 0)
        return -1;
    return limits->files
         ? limit(RLIMIT_NOFILE, limits->files, limits->files,
                 "cannot limit files", error) : 0;
}

void limits_relax(void)
{
    struct rlimit memory;

    getrlimit(RLIMIT_AS, &memory);
    memory.rlim_cur = memory.rlim_max;
    setrlimit(RLIMIT_AS, &memory);
}

/* ---- user and groups ---- */

/* With the account's groups when none are given, as login does. */
static int take_groups(const struct identity *identity, gid_t gid,
                       const struct passwd *account)
{
    if (identity->groups)
        return setgroups(identity->group_count, identity->groups);
    return account ? initgroups(account->pw_name, gid) : setgroups(1, &gid);
}

static bool has_only_gid(gid_t gid)
{
    gid_t real, effective, saved;

    return getresgid(&real, &effective, &saved) == 0 && real == gid
        && effective == gid && saved == gid;
}

static bool has_only_uid(uid_t uid)
{
    uid_t real, effective, saved;

    return getresuid(&real, &effective, &saved) == 0 && real == uid
        && effective == uid && saved == uid;
}

static int change_groups(const struct identity *identity, gid_t gid,
                         const struct passwd *account,
                         struct harp_error *error)
{
    if (take_groups(identity, gid, account) != 0)
        return fail(error, "cannot set the groups");
    if (setresgid(gid, gid, gid) != 0 || !has_only_gid(gid))
        return fail(error, "cannot change the group");
    return 0;
}

/* If root could be had back, so could whatever the procedure starts. */
static int change_user(uid_t uid, struct harp_error *error)
{
    if (setresuid(uid, uid, uid) != 0 || !has_only_uid(uid))
        return fail(error, "cannot change the user");
    if (uid != 0 && (setresuid((uid_t)-1, 0, (uid_t)-1) == 0
                     || (getgid() != 0
                         && setresgid((gid_t)-1, 0, (gid_t)-1) == 0)))
        return error_set(error, REMOTE_ERROR, "system_error",
                         "the change of the user could be undone");
    return 0;
}

/* What a core, or another process of the user, could show is the daemon's. */
static int leave_home(struct harp_error *error)
{
    umask(022);
    if (chdir("/") != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
        return fail(error, "cannot leave what was the daemon's");
    return limit(RLIMIT_CORE, 0, 0, "cannot do without cores", error);
}

/* Only root may set groups, even to what they are. */
static bool needs_groups(const struct identity *identity)
{
    uid_t uid = geteuid();

    if (identity->has_user && identity->uid != uid)
        return true;
    return identity->has_group && (uid == 0 || identity->gid != getegid());
}

int privileges_take(const struct identity *identity,
                    struct harp_error *error)
{
    const struct passwd *account =
        identity->has_user ? getpwuid(identity->uid) : NULL;
    bool is_other = identity->has_user && identity->uid != geteuid();
    gid_t gid = identity->has_group ? identity->gid
              : account ? account->pw_gid : getgid();

    if (is_other && !account && !identity->has_group)
        return error_set(error, REMOTE_ERROR, "system_error", "there is no "
                         "account with uid %u", (unsigned)identity->uid);
    if (needs_groups(identity)
        && change_groups(identity, gid, account, error) != 0)
        return -1;
    if (!is_other)
        return 0;
    return change_user(identity->uid, error) == 0 ? leave_home(error) : -1;
}
