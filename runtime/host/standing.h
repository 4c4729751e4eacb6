/*
 * The stack that `harp local` keeps up for its user: where its files are, and
 * whether it runs. The one that runs holds a lock (fcntl(2)) on its file
 * "running", which says where its servers are; the kernel lets go of it
 * however that process ends. What the file says while nobody holds it, or
 * somebody else than who wrote it, is not believed.
 */
#ifndef HARP_HOST_STANDING_H
#define HARP_HOST_STANDING_H

#include <sys/types.h>

#include "base/buffer.h"

/* The path of one of its files, which the caller frees; NULL without a home. */
char *standing_file(const char *name);

/*
 * The process that runs it, or 0. `text`, unless NULL, gets what it says of
 * itself: JSON, with its "pid"; not yet, while it starts.
 */
pid_t standing_look(struct buffer *text);

/*
 * For the one that runs it: the lock, as a descriptor of a file that is empty
 * now; close it to let go. It must be the only descriptor of that file in this
 * process. -1 when another one has it: `holder`; that is 0 when the file cannot
 * be had: errno.
 */
int standing_hold(pid_t *holder);

/* -1: errno. */
int standing_say(int lock, struct text text);

#endif
