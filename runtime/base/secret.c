#include "base/secret.h"

#include <string.h>
#include <strings.h>

/*
 * A name that has one of these anywhere, in any case: rather the monkey is
 * blotted out than a key shown.
 */
static const char *const words[] = {
    "pass", "pwd", "secret", "token", "key", "cred", "auth", "cookie",
    "private",
};

static bool contains(struct text name, const char *word)
{
    size_t length = strlen(word);

    for (size_t i = 0; i + length <= name.length; i++)
        if (strncasecmp(name.data + i, word, length) == 0)
            return true;
    return false;
}

bool secret_is_named(struct text name)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (contains(name, words[i]))
            return true;
    return false;
}
