/* The names of a local daemon's hosts, as --hosts has them. */
#ifndef HARP_CLI_STACK_HOSTS_H
#define HARP_CLI_STACK_HOSTS_H

struct harp_error;

/*
 * "web[01-03],db" → "web01,web02,web03,db", for the caller to free; NULL and a
 * UsageError for a range that is none.
 */
char *stack_hosts_expand(const char *text, struct harp_error *error);

#endif
