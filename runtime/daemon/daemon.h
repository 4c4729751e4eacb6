/* The daemon: callers knock, and each of their calls is a process of its own. */
#ifndef HARP_DAEMON_DAEMON_H
#define HARP_DAEMON_DAEMON_H

struct daemon;
struct harp_error;

/* Reads the configuration, loads the procedures and listens. */
struct daemon *daemon_new(const char *config, struct harp_error *error);

/*
 * Serves until it is told to stop; returns when every child is gone. SIGHUP
 * has it read the configuration, and all that belongs to it, again.
 */
void daemon_run(struct daemon *daemon);

void daemon_free(struct daemon *daemon);

/* Would it start with this configuration? Nothing is listened on. */
int daemon_test(const char *config, struct harp_error *error);

#endif
