/* What a configuration says of the log: `log`, `log_level`, `log_time`. */
#ifndef HARP_HOST_LOG_SETTINGS_H
#define HARP_HOST_LOG_SETTINGS_H

#include "base/log.h"

struct config;

/* For log_set; complaints go to the configuration. */
struct log_form log_settings_read(struct config *config);

#endif
