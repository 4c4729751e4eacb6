/* What looks like a secret: the one list of it, for logs and traces. */
#ifndef HARP_BASE_SECRET_H
#define HARP_BASE_SECRET_H

#include <stdbool.h>

#include "base/buffer.h"

#define SECRET_BLOT "***"       /* stands for one */

/* Has a name, such as "API_Token", a word in it that secrets are named by? */
bool secret_is_named(struct text name);

#endif
