/*
 * The replies of a dispatcher (protocol §1), read and written in one place.
 * A job's outcome is one of them, and is stored as its text.
 */
#ifndef HARP_WIRE_REPLY_H
#define HARP_WIRE_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct harp_error;

enum reply_kind {
    REPLY_JOB_ID,       /* value: a JSON string */
    REPLY_RESULT,       /* value: any */
    REPLY_EXCEPTION,    /* value: {"type","message"[,"data"]} */
    REPLY_ERROR,        /* value: the same */
    REPLY_CANCELLED,    /* flag */
    REPLY_NO_RESULT,
    REPLY_CONTINUE,
    REPLY_PACKET,       /* number, value: any */
    REPLY_STATUS        /* value: the whole reply */
};

/* The value is a slice of the line that was read. */
struct reply {
    enum reply_kind kind;
    bool flag;
    int64_t number;
    struct text value;
};

/* Its name in a script: "job_id", "result"… */
const char *reply_name(enum reply_kind kind);

/* Reads a reply, members it does not know ignored. Error: bad_protocol. */
int reply_read(struct reply *reply, struct text line,
               struct harp_error *error);

/* Append a reply; outcome_* without its line end, since they are stored. */
void reply_job_id(struct buffer *buffer, const char *id);
void reply_cancelled(struct buffer *buffer, bool cancelled);
void reply_no_result(struct buffer *buffer);
void reply_continue(struct buffer *buffer);
void reply_packet(struct buffer *buffer, int64_t number, struct text data);
void reply_error(struct buffer *buffer, const char *type,
                 const char *message);
void reply_line(struct buffer *buffer, struct text outcome);

void outcome_value(struct buffer *buffer, enum reply_kind kind,
                   struct text value);
void outcome_error(struct buffer *buffer, const char *type,
                   const char *message);
void outcome_cancelled(struct buffer *buffer);

/*
 * Checks {"type": string, "message": string[, "data": any]} and nothing else
 * in it, as both dialects have it in exceptions and errors.
 */
int outcome_check_failure(struct text value, struct harp_error *error);

#endif
