/*
 * The replies of a dispatcher (protocol §1 and §4), read and written in one
 * place. A job's outcome is one of them, and is stored as its text.
 *
 * The lines of the lists, which protocol §4 leaves open:
 *
 *   {"job":{"id","host","procedure","arguments","queue":{…}|null,"info",
 *           "state":"queued"|"running"|"ended",
 *           "outcome":"result"|"exception"|"error"|"cancelled"|null,
 *           "time":{"submit","start","end"}}}            the newest first
 *   {"queue":{"name":{…},"concurrency":N,"running":N,"waiting":N}}
 *   {"host":{"name","address"}}
 *   {"end":true}
 */
#ifndef HARP_WIRE_REPLY_H
#define HARP_WIRE_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct harp_error;
struct request;

enum reply_kind {
    REPLY_JOB_ID,       /* value: a JSON string */
    REPLY_RESULT,       /* value: any */
    REPLY_EXCEPTION,    /* value: {"type","message"[,"data"]} */
    REPLY_ERROR,        /* value: the same */
    REPLY_CANCELLED,    /* flag */
    REPLY_NO_RESULT,
    REPLY_CONTINUE,
    REPLY_PACKET,       /* number, value: any */
    REPLY_STATUS,       /* value: the whole reply */
    REPLY_JOB,          /* value: an object, as for the next two */
    REPLY_QUEUE,
    REPLY_HOST,
    REPLY_END           /* of a list */
};

/* Texts are slices of the line that was read, and empty when absent. */
struct reply {
    enum reply_kind kind;
    bool flag;                  /* of REPLY_JOB_ID: it is a duplicate */
    int64_t number;
    double time;                /* of a packet; unix seconds, 0 when absent */
    struct text value;
    struct text extensions;     /* an array: this answers a hello */
    bool tagged;
    int64_t tag;
};

/* Its name in a script: "job_id", "result"… */
const char *reply_name(enum reply_kind kind);

/* Reads a reply, members it does not know ignored. Error: bad_protocol. */
int reply_read(struct reply *reply, struct text line,
               struct harp_error *error);

/* Of a REPLY_ERROR: is it of that type? And as an error of kind RemoteError;
   -1 and another one when it cannot be read. */
bool reply_failure_is(const struct reply *reply, const char *type);
int reply_failure(const struct reply *reply, struct harp_error *error);

/* Is it one of many, with more to come? */
bool reply_is_partial(enum reply_kind kind);

/* A job, as get_status and list_jobs tell of it. */
struct reply_job {
    const char *id;
    const struct request *call; /* as it was submitted */
    double submit, start, end;  /* unix seconds; 0 until known */
    const char *outcome;        /* its kind; NULL when not known */
};

/* "queued", "running" or "ended" */
const char *reply_job_state(const struct reply_job *job);

/* Append a reply; outcome_* without its line end, since they are stored. */
void reply_job_id(struct buffer *buffer, const char *id, bool duplicate);
void reply_cancelled(struct buffer *buffer, bool cancelled);
void reply_no_result(struct buffer *buffer);
void reply_continue(struct buffer *buffer);
void reply_packet(struct buffer *buffer, int64_t number, struct text data,
                  double time);         /* 0: without it */
void reply_error(struct buffer *buffer, const char *type,
                 const char *message);
void reply_hello(struct buffer *buffer);        /* names all extensions */
void reply_status(struct buffer *buffer, const struct reply_job *job);
void reply_job(struct buffer *buffer, const struct reply_job *job);
void reply_queue(struct buffer *buffer, const char *name,
                 int64_t concurrency, int64_t running, int64_t waiting);
void reply_host(struct buffer *buffer, const char *name,
                const char *address);
void reply_end(struct buffer *buffer);
void reply_line(struct buffer *buffer, struct text outcome);

/* Appends the lines with the tag in each of them. */
void reply_add_tagged(struct buffer *buffer, struct text lines, int64_t tag);

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
