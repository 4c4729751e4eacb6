#include "dispatcher/readers.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "dispatcher/parts.h"

struct reader {
    char *id;
    size_t count;
};

static int by_id(const void *left, const void *right)
{
    const struct reader *a = left, *b = right;

    return strcmp(a->id, b->id);
}

static struct reader *find(const struct parts *parts, char *id)
{
    struct reader key = { .id = id };
    struct reader *const *found = tfind(&key, &parts->readers, by_id);

    return found ? *found : NULL;
}

struct reader *readers_add(struct parts *parts, const char *id)
{
    char *copy = memory_string(id);
    struct reader *reader = find(parts, copy);

    if (reader) {
        free(copy);
    } else {
        reader = memory_new(sizeof *reader);
        reader->id = copy;
        if (!tsearch(reader, &parts->readers, by_id))
            abort();
    }
    reader->count++;
    return reader;
}

void readers_remove(struct parts *parts, struct reader *reader)
{
    if (!reader || --reader->count > 0)
        return;
    tdelete(reader, &parts->readers, by_id);
    free(reader->id);
    free(reader);
}

bool readers_has(const struct parts *parts, const char *id)
{
    char *copy = memory_string(id);
    bool has = find(parts, copy) != NULL;

    free(copy);
    return has;
}
