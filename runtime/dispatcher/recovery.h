/* What becomes, after a restart, of the jobs that had not ended. */
#ifndef HARP_DISPATCHER_RECOVERY_H
#define HARP_DISPATCHER_RECOVERY_H

#include <sqlite3.h>
#include <stdint.h>

#include "base/buffer.h"

struct harp_error;
struct request;

/* What store_recover does. */
int recovery_run(sqlite3 *database, struct text outcome,
                 void (*each)(void *owner, int64_t job, const char *id,
                              const struct request *call),
                 void *owner, struct harp_error *error);

#endif
