/*
 * The files of a stack's directory: the configurations of both servers, the
 * certificate, the examples. Each is for its user alone (mode 0600), and takes
 * the place of one that is there; but a certificate stays.
 */
#ifndef HARP_CLI_STACK_FILES_H
#define HARP_CLI_STACK_FILES_H

#include "net/pin.h"

struct harp_error;
struct stack_options;

struct stack_files {
    char *directory;
    char *socket;               /* the dispatcher's */
    char *user;
    char *password;
    char pin[PIN_SIZE];
};

/* A password: 192 random bits in hexadecimal. */
char *stack_files_random_word(void);

/* All that the daemon needs; fills `pin`. */
int stack_files_for_daemon(struct stack_files *files,
                           const struct stack_options *options,
                           struct harp_error *error);

/* All that the dispatcher needs; the daemon listens on "127.0.0.1:port". */
int stack_files_for_dispatcher(const struct stack_files *files,
                               const struct stack_options *options,
                               const char *daemon, struct harp_error *error);

void stack_files_free(struct stack_files *files);

#endif
