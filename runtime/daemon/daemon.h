/* The daemon: a listener whose every call is a process of its own. */
#ifndef HARP_DAEMON_DAEMON_H
#define HARP_DAEMON_DAEMON_H

struct daemon;
struct harp_error;

/* Reads the configuration, loads the procedures and listens. */
struct daemon *daemon_new(const char *config, struct harp_error *error);

/* Serves until it is told to stop; returns when every child is gone. */
void daemon_run(struct daemon *daemon);

void daemon_free(struct daemon *daemon);

#endif
