/* Where procedures come from: files, and directories of files. */
#ifndef HARP_DAEMON_SOURCES_H
#define HARP_DAEMON_SOURCES_H

struct harp_error;
struct procedures;

/*
 * Loads a file, or all files NAME.lua of a directory, in the order of their
 * names, but for those that begin with a dot.
 */
int sources_load(struct procedures *procedures, const char *path,
                 struct harp_error *error);

#endif
