/* The libraries that harp stands on, for `harp version`. */
#ifndef HARP_CLI_LIBRARIES_H
#define HARP_CLI_LIBRARIES_H

struct lua_State;

/*
 * require "harp.cli.libraries" → a list of { name, version }: as they are
 * here, loaded for that if need be; version is nil where there is none.
 */
int libraries_open(struct lua_State *L);

#endif
