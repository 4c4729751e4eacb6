#include "host/log_settings.h"

#include <string.h>

#include "base/log.h"
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

void log_settings_read(struct config *config)
{
    const char *form = config_string(config, "log", "text");
    bool time = config_boolean(config, "log_time", false);
    bool json = strcmp(form, "json") == 0;

    if (!json && strcmp(form, "text") != 0)
        config_complain(config, "log", "must be \"text\" or \"json\"");
    log_set(json, read_level(config), time);
}
