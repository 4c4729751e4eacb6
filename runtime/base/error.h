/*
 * Errors of the core. A function that can fail returns -1 or NULL and fills
 * the caller's struct harp_error; Lua sees it as a table of the same fields.
 */
#ifndef HARP_BASE_ERROR_H
#define HARP_BASE_ERROR_H

#include <stdarg.h>

/* The kinds a script can tell apart with harp.is_error(v, kind). */
#define COMMUNICATION_ERROR "CommunicationError"
#define REMOTE_ERROR "RemoteError"
#define COMMAND_ERROR "CommandError"
#define CANCELLED_EXCEPTION "CancelledException"
#define USAGE_ERROR "UsageError"

struct harp_error {
    const char *kind;   /* one of the constants above */
    char type[48];      /* a protocol error type, such as "econnrefused" */
    char message[464];  /* one line: what happened, to what, what to do */
};

/* Fills `error` and returns -1, so that `return error_set(...)` reads well. */
int error_set(struct harp_error *error, const char *kind, const char *type,
              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Puts "text: " in front of the message; returns -1. */
int error_prefix(struct harp_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The protocol's name of an errno value: "econnrefused". */
const char *error_name(int number, char *name, unsigned long size);

#endif
