/*
 * Where the socket of `harp local` is: in its directory, unless that has too
 * long a name for sun_path (unix(7)). Then it is in a private one elsewhere,
 * to which the directory has a symbolic link, "away".
 */
#ifndef HARP_CLI_LOCAL_SOCKET_H
#define HARP_CLI_LOCAL_SOCKET_H

/* A path for it, which is free. NULL when there is none: errno. */
char *local_socket_place(const char *directory);

/* Removes it, with what was made for it; also what a killed one left. */
void local_socket_remove(const char *directory);

#endif
