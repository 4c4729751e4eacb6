/*
 * What systemd has for its services, by its plain protocols: sockets that it
 * listened on for us (sd_listen_fds(3)), and telling it of our state
 * (sd_notify(3)). Without systemd there are no sockets, and nothing is told.
 */
#ifndef HARP_NET_SYSTEMD_H
#define HARP_NET_SYSTEMD_H

struct harp_error;

/*
 * Takes a socket that was handed on, the first of that name that was not
 * taken yet; NULL for the first of any name. -1 when there is none.
 */
int systemd_take_socket(const char *name, struct harp_error *error);

/* How many are left that nobody took. */
int systemd_sockets_left(void);

/* Sends "READY=1" and the like to $NOTIFY_SOCKET, if there is one. */
void systemd_notify(const char *state);

/* The begin of a reload; READY=1 ends it. */
void systemd_notify_reloading(void);

#endif
