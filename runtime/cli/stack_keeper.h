/*
 * Who removes the directory of a stack that lasts as long as a script: a
 * process of its own, for the script's may be killed, and there are secrets.
 */
#ifndef HARP_CLI_STACK_KEEPER_H
#define HARP_CLI_STACK_KEEPER_H

struct harp_error;
struct stack_server;

/* stack_server_stop ends it, and so the directory. */
int stack_keeper_start(struct stack_server *keeper, const char *directory,
                       struct harp_error *error);

#endif
