#include "base/home.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static const char *home_directory(void)
{
    const char *home = getenv("HOME");
    const struct passwd *user;

    if (home && *home == '/')
        return home;
    user = getpwuid(getuid());
    return user ? user->pw_dir : NULL;
}

static char *path_of(const char *variable, const char *otherwise,
                     const char *name)
{
    const char *base = getenv(variable), *home;

    if (base && *base == '/')
        return memory_format("%s/harp/%s", base, name);
    home = home_directory();
    return home ? memory_format("%s/%s/harp/%s", home, otherwise, name) : NULL;
}

char *home_state(const char *name)
{
    return path_of("XDG_STATE_HOME", ".local/state", name);
}

char *home_config(const char *name)
{
    return path_of("XDG_CONFIG_HOME", ".config", name);
}

int home_make_above(char *path)
{
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        int status;

        *at = '\0';
        status = mkdir(path, 0700);
        *at = '/';
        if (status != 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}
