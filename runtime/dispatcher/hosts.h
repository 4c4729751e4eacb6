/*
 * The registry: the hosts that are known. They come from a table of the
 * configuration, from a function of it that is asked for each one, from a
 * program that prints them (hosts_command.h), or from several of these: then
 * the configuration goes before the program. What the program printed last,
 * and well, is kept in a file next to the database for the next start.
 */
#ifndef HARP_DISPATCHER_HOSTS_H
#define HARP_DISPATCHER_HOSTS_H

#include <stdbool.h>

#include "dispatcher/host.h"

struct config;
struct harp_error;
struct hosts;
struct parts;

/*
 * Takes `hosts`, `host_defaults`, `hosts_command` and the like from a
 * configuration; complaints go to it. Nothing is run yet.
 */
struct hosts *hosts_read(struct config *config);

/*
 * True when the registry has a function: then the configuration is its own
 * from now on, and freed with it.
 */
bool hosts_keep(struct hosts *hosts, struct config *config);

/*
 * Runs the program, if there is one; with no list from before it is waited
 * for, as nothing could run. Of parts it needs the loop.
 */
void hosts_start(struct hosts *hosts, struct parts *parts,
                 const char *database);

/* For a reload: this registry takes the place of the one that is there. */
void hosts_replace(struct parts *parts, struct hosts *hosts,
                   const char *database);

/* Runs the program now; false when there is none. */
bool hosts_refresh_now(struct parts *parts);

/*
 * Valid until the next call of this page. NULL and an `unknown_host` when
 * there is none of that name or the function fails.
 */
const struct host *hosts_find(struct hosts *hosts, const char *name,
                              struct harp_error *error);

/* How many calls of a host may run at once; also for an unknown one. */
size_t hosts_most_running(struct hosts *hosts, const char *name);

/* In the order of their names; a function's hosts cannot be told. */
void hosts_each(const struct hosts *hosts,
                void (*each)(void *owner, const struct host *host),
                void *owner);

/* Ends the program; before the loop is closed. NULL is fine. */
void hosts_stop(struct hosts *hosts);
void hosts_free(struct hosts *hosts);

#endif
