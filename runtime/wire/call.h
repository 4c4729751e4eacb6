/*
 * The dialogue of a caller with a daemon (protocol §2): the request and the
 * lines that answer it, read with all the checks and written in one place.
 */
#ifndef HARP_WIRE_CALL_H
#define HARP_WIRE_CALL_H

#include <stdbool.h>

#include "base/buffer.h"

struct harp_error;

/* The request. Strings are owned; arguments are JSON text. */
struct call {
    char *procedure;
    char *arguments;            /* an array or object */
    char *user;
    char *password;
};

/*
 * Fills a zeroed or freed call, members it does not know ignored. Errors:
 * parse_error, invalid_protocol, invalid_request.
 */
int call_read(struct call *call, struct text line, struct harp_error *error);

/* Appends the request with its line end. */
void call_write(const struct call *call, struct buffer *buffer);
void call_free(struct call *call);      /* the password is wiped */

enum answer_kind {
    ANSWER_ACCEPTED,            /* flag: a stream follows */
    ANSWER_PACKET,              /* value: any */
    ANSWER_RESULT,              /* value: any */
    ANSWER_EXCEPTION,           /* value: {"type","message"[,"data"]} */
    ANSWER_ERROR                /* value: the same */
};

/* A line of the daemon; the value is a slice of it. */
struct answer {
    enum answer_kind kind;
    bool flag;
    struct text value;
};

/* Its name in a script: "accepted", "packet", "result"… */
const char *answer_name(enum answer_kind kind);

/* Error: bad_protocol. */
int answer_read(struct answer *answer, struct text line,
                struct harp_error *error);

/* Append an answer with exactly the members of protocol §2. */
void answer_accepted(struct buffer *buffer, bool stream);
void answer_value(struct buffer *buffer, enum answer_kind kind,
                  struct text value);   /* packet, result, exception */
void answer_error(struct buffer *buffer, const char *type,
                  const char *message);

#endif
