/*
 * Trust on first use: the peers whose keys were seen, in a file with a line
 * "host:port sha256//…" for each, as ssh has it. Lines that begin with # are
 * comments. A peer may have several lines; any of its keys will do.
 */
#ifndef HARP_NET_KNOWN_HOSTS_H
#define HARP_NET_KNOWN_HOSTS_H

struct endpoint;
struct harp_error;

/*
 * 0 when the peer is known by the key that it showed, or was not known at all
 * and is from now on; -1 with the reason in `error` ("certificate" for another
 * key than the file has, "known_hosts" when the file is the trouble): then
 * nothing may be sent to it. Processes that do this at once agree; one that
 * holds the file's lock is waited for, two seconds at most.
 *
 * The file is the endpoint's, or $XDG_STATE_HOME/harp/known_hosts, or
 * ~/.local/state/harp/known_hosts, made with its directory when there is none.
 */
int known_hosts_check(const struct endpoint *endpoint, const char *pin,
                      struct harp_error *error);

#endif
