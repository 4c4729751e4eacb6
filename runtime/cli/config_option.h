/* The one option of the servers: --config FILE. */
#ifndef HARP_CLI_CONFIG_OPTION_H
#define HARP_CLI_CONFIG_OPTION_H

/*
 * Sets *config to the file, or to NULL when there is nothing to start; then
 * the exit status is returned, 0 after --help.
 */
int config_option(int argc, char **argv, const char *usage,
                  const char **config);

#endif
