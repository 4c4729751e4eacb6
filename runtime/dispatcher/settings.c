#include "dispatcher/settings.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "dispatcher/doors.h"
#include "dispatcher/hosts.h"
#include "dispatcher/parts.h"
#include "host/config.h"
#include "host/log_settings.h"

#define DATABASE "/var/lib/harp/dispatcher.db"
#define LIMIT 600.0             /* seconds, as stock has it (protocol §1) */
#define JOB_BYTES (1 << 30)
#define LONGEST_ANSWER (256 << 20)
#define GRACE 5.0               /* seconds */
#define MOST_RUNNING 1000

static void read_settings(struct settings *settings, struct config *config)
{
    settings->timeout = config_between(config, "timeout", 1e-3, 1e9, LIMIT);
    settings->max_exec_time = config_between(config, "max_exec_time", 1e-3,
                                             1e9, LIMIT);
    settings->job_bytes = (int64_t)config_between(config, "job_bytes", 1,
                                                  9e18, JOB_BYTES);
    settings->longest_answer = (size_t)config_between(config, "max_answer",
                                                      1024, 1e9,
                                                      LONGEST_ANSWER);
    settings->most_running = (size_t)config_between(config, "max_running", 1,
                                                    1e9, MOST_RUNNING);
    limits_read(&settings->limits, config);
    retention_read(&settings->keep, config);
}

static void read_control(struct endpoint *control, struct config *config)
{
    const char *address = config_string(config, "control", NULL);
    struct harp_error error;

    if (!address)
        return;
    if (endpoint_parse(control, address, 1, &error) != 0)
        config_complain(config, "control", error.message);
    else if (!control->path)
        config_complain(config, "control", "must be a unix socket: "
                        "\"unix:/path\"");
}

static int read_file(struct settings_file *file, struct config *config,
                     struct harp_error *error)
{
    file->doors = doors_read(config);
    file->database = memory_string(config_string(config, "database",
                                                 DATABASE));
    file->lifeline = config_boolean(config, "lifeline", false);
    /* Nobody waits for the servers of a script that has ended. */
    file->grace = config_between(config, "grace", 0, 1e9,
                                 file->lifeline ? 0 : GRACE);
    read_control(&file->control, config);
    read_settings(&file->settings, config);
    file->hosts = hosts_read(config);
    file->log = log_settings_read(config);
    if (config_finish(config, error) != 0)
        return -1;
    return doors_prepare(file->doors, error);
}

int settings_read(struct settings_file *file, const char *path,
                  struct harp_error *error)
{
    struct config *config = config_load(path, error);
    int status = config ? read_file(file, config, error) : -1;

    if (!file->hosts || !hosts_keep(file->hosts, config))
        config_free(config);
    return status;
}

int settings_renew(struct parts *parts, struct settings_file *fresh,
                   const char *database, bool *same,
                   struct harp_error *error)
{
    if (doors_renew(parts->doors, fresh->doors, same, error) != 0)
        return -1;
    hosts_replace(parts, fresh->hosts, database);
    fresh->hosts = NULL;
    parts->settings = fresh->settings;
    retention_start(parts->retention);
    return 0;
}

void settings_free(struct settings_file *file)
{
    hosts_free(file->hosts);
    doors_free(file->doors);
    endpoint_free(&file->control);
    free(file->database);
}
