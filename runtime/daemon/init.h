/* What a daemon needs before its first start: a key and a certificate. */
#ifndef HARP_DAEMON_INIT_H
#define HARP_DAEMON_INIT_H

struct harp_error;

/*
 * Makes both where the configuration says, or where they are by default when
 * `config` is NULL, and the directories that they are in. Those that are there
 * stay. Says on standard output what a dispatcher has to know of this daemon.
 */
int daemon_init(const char *config, struct harp_error *error);

#endif
