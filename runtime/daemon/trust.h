/*
 * Which files root can rely on: as root the daemon reads none that anybody
 * could have written, and no secret that anybody can read.
 */
#ifndef HARP_DAEMON_TRUST_H
#define HARP_DAEMON_TRUST_H

#include <stdbool.h>

struct harp_error;

/*
 * 0 when the file, or directory, will do, when it is not there, which shows
 * when it is read, and when this is not root. A symbolic link is followed.
 */
int trust_file(const char *path, bool secret, struct harp_error *error);

#endif
