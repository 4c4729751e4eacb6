/*
 * Starts a program as a process of its own: words, never a shell's line. It
 * is in the group of this process, and has of it neither a descriptor nor a
 * handling of signals, only the standard streams that are given here.
 */
#ifndef HARP_BINDINGS_PROGRAM_H
#define HARP_BINDINGS_PROGRAM_H

#include <sys/types.h>

#include "base/buffer.h"

struct harp_error;

/* Where its standard error goes. */
enum program_errors {
    ERRORS_APART,               /* to a pipe of their own */
    ERRORS_MERGED,              /* to that of its output */
    ERRORS_OURS                 /* to where ours go */
};

struct program {
    char **words;               /* the first is looked for in our PATH… */
    char **environment;         /* both lists end with NULL */
    const char *directory;      /* …from here; NULL: where we are */
    struct text input;          /* what it can read; without data nothing */
    enum program_errors errors;
};

/* A program that runs, and descriptors of it, the caller's to close. */
struct program_ends {
    pid_t pid;                  /* to be waited for, or a zombie stays */
    int watch;                  /* readable when it may have ended */
    int output;
    int errors;                 /* -1 unless they are apart */
};

/* -1 with a CommandError, of the type errno has, when it cannot be started. */
int program_start(const struct program *program, struct program_ends *ends,
                  struct harp_error *error);

#endif
