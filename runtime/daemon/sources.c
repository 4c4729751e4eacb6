#include "daemon/sources.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "daemon/procedures.h"
#include "daemon/trust.h"

static int load_file(struct procedures *procedures, const char *path,
                     struct harp_error *error)
{
    return trust_file(path, false, error) == 0
         ? procedures_load(procedures, path, error) : -1;
}

static int is_source(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return entry->d_name[0] != '.' && length > 4
        && strcmp(entry->d_name + length - 4, ".lua") == 0;
}

/* In any language: alphasort's order is that of the locale. */
static int by_name(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static int load_directory(struct procedures *procedures, const char *path,
                          struct harp_error *error)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_source, by_name), status = 0;

    if (count < 0)
        return error_set(error, USAGE_ERROR, "configuration",
                         "procedures: cannot read %s: %s", path,
                         strerror(errno));
    for (int i = 0; i < count; i++) {
        char *file = memory_format("%s/%s", path, entries[i]->d_name);

        if (status == 0)
            status = load_file(procedures, file, error);
        free(file);
        free(entries[i]);
    }
    free(entries);
    return status;
}

int sources_load(struct procedures *procedures, const char *path,
                 struct harp_error *error)
{
    struct stat file;

    if (stat(path, &file) != 0 || !S_ISDIR(file.st_mode))
        return load_file(procedures, path, error);
    return trust_file(path, false, error) == 0
         ? load_directory(procedures, path, error) : -1;
}
