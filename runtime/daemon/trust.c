#include "daemon/trust.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static int refuse(struct harp_error *error, const char *path,
                  const char *what, const char *remedy)
{
    return error_set(error, USAGE_ERROR, "configuration", "%s: anybody may "
                     "%s it, which root does not rely on: chmod %s %s", path,
                     what, remedy, path);
}

int trust_file(const char *path, bool secret, struct harp_error *error)
{
    struct stat file;

    if (geteuid() != 0 || stat(path, &file) != 0)
        return 0;
    if (file.st_mode & S_IWOTH)
        return refuse(error, path, "write", "o-w");
    if (secret && file.st_mode & S_IROTH)
        return refuse(error, path, "read", "o-r");
    return 0;
}
