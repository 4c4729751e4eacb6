/* Subcommands in Lua: the files of scripts/cli/. */
#ifndef HARP_CLI_LUA_COMMAND_H
#define HARP_CLI_LUA_COMMAND_H

/* Runs the one of that name with arguments; returns the exit status. */
int lua_command(const char *name, int argc, char **argv);

/* Prints what --help of a subcommand says, also of one in C; returns 0. */
int lua_command_help(const char *name);

#endif
