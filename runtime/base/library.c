#include "base/library.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

static int fail(struct harp_error *error)
{
    return error_set(error, USAGE_ERROR, "library_missing", "%s", dlerror());
}

int library_load(const char *file, const char *const *names, size_t count,
                 void *table, struct harp_error *error)
{
    void *library = dlopen(file, RTLD_LAZY), **found;
    size_t i = 0;

    if (!library)
        return fail(error);
    found = memory_new(count * sizeof *found);
    while (i < count && (found[i] = dlsym(library, names[i])))
        i++;
    if (i == count)
        memcpy(table, found, count * sizeof *found);
    free(found);
    return i == count ? 0 : fail(error);
}
