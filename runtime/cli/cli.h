/*
 * The subcommands, a file each. They get their own name as argv[0] and return
 * the exit status, one of ../../scripts/harp/outcome.lua.
 */
#ifndef HARP_CLI_CLI_H
#define HARP_CLI_CLI_H

#define EXIT_USAGE 2

/* The name of a subcommand, in the order of `harp help`; NULL behind all. */
const char *cli_name(int index);

int cli_repl(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_dispatcher(int argc, char **argv);
int cli_daemon(int argc, char **argv);
int cli_local(int argc, char **argv);

#endif
