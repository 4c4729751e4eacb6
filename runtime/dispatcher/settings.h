/*
 * What the configuration says, read whole before any of it is put to use: at
 * the start and, as far as it can change then, at a reload.
 */
#ifndef HARP_DISPATCHER_SETTINGS_H
#define HARP_DISPATCHER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "dispatcher/limits.h"
#include "dispatcher/retention.h"
#include "net/endpoint.h"

struct doors;
struct harp_error;
struct hosts;
struct parts;

/* Those that runs and requests look at; parts have them. */
struct settings {
    double timeout;             /* seconds; for calls without, and at most */
    double max_exec_time;
    int64_t job_bytes;          /* of a job's packets and outcome, at most */
    size_t longest_answer;      /* bytes of a daemon's line */
    size_t most_running;        /* calls at once */
    struct limits limits;
    struct retention_limits keep;
};

struct settings_file {
    struct settings settings;
    struct hosts *hosts;
    struct doors *doors;
    char *database;
    struct endpoint control;    /* its path is NULL when there is none */
    bool lifeline;
    double grace;               /* seconds for what runs at the end */
    struct log_form log;
};

/*
 * Fills a zeroed file, which is to be freed also after a -1; a UsageError
 * says what is wrong.
 */
int settings_read(struct settings_file *file, const char *path,
                  struct harp_error *error);

/*
 * For a reload: takes over hosts, limits, and the users and certificates of
 * listeners, or, when that must not be, nothing (-1). *same: the listeners
 * would be the same after a restart, too.
 */
int settings_renew(struct parts *parts, struct settings_file *fresh,
                   const char *database, bool *same,
                   struct harp_error *error);

void settings_free(struct settings_file *file);     /* what it still has */

#endif
