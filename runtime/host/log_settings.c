#include "host/log_settings.h"

#include <string.h>

#include "host/config.h"

static enum log_level read_level(struct config *config)
{
    static const char *const names[] = { "debug", "info", "warning" };
    const char *level = config_string(config, "log_level", "info");

    for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_WARNING; i++)
        if (strcmp(level, names[i]) == 0)
            return (enum log_level)i;
    config_complain(config, "log_level",
                    "must be \"debug\", \"info\" or \"warning\"");
    return LOG_LEVEL_INFO;
}

struct log_form log_settings_read(struct config *config)
{
    const char *name = config_string(config, "log", "text");
    struct log_form form = {
        .json = strcmp(name, "json") == 0,
        .least = read_level(config),
        .time = config_boolean(config, "log_time", false),
    };

    if (!form.json && strcmp(name, "text") != 0)
        config_complain(config, "log", "must be \"text\" or \"json\"");
    return form;
}
