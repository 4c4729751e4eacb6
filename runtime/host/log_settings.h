/* What a configuration says of the log: `log`, `log_level`, `log_time`. */
#ifndef HARP_HOST_LOG_SETTINGS_H
#define HARP_HOST_LOG_SETTINGS_H

struct config;

/* Sets up base/log.h; complaints go to the configuration. */
void log_settings_read(struct config *config);

#endif
