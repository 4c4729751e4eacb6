/*
 * The requests of a client to a dispatcher (protocol §1), and the extensions
 * of protocol §4, read with all the checks and written, in one place.
 */
#ifndef HARP_WIRE_REQUEST_H
#define HARP_WIRE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct harp_error;

enum request_kind {
    REQUEST_CALL,
    REQUEST_CANCEL,
    REQUEST_GET_RESULT,
    REQUEST_GET_STATUS,
    REQUEST_FOLLOW_STREAM,
    REQUEST_READ_STREAM,
    REQUEST_LIST_JOBS,
    REQUEST_LIST_QUEUES,
    REQUEST_LIST_HOSTS,
    REQUEST_FORGET
};

/* Asking for the status of this job is a hello (protocol §4). */
#define REQUEST_HELLO_ID "00000000-0000-0000-0000-000000000000"

/*
 * What list_jobs is limited to; texts are NULL and numbers -1 when they are
 * not given. Strings but for `info` are compared whole.
 */
struct request_filter {
    char *host;
    char *procedure;
    char *queue;                /* an object, canonical once read */
    char *state;                /* "queued", "running" or "ended" */
    char *info;                 /* is contained in the job's info */
    double since;               /* submitted at or after; unix seconds */
    double until;               /* submitted before */
    int64_t limit;              /* at most so many, the newest ones */
};

/*
 * Strings are owned and never NULL for the kinds that have them; texts are
 * JSON values. A request that was read keeps its own copy of all of them.
 */
struct request {
    enum request_kind kind;
    bool tagged;
    int64_t tag;                /* of every reply to it, when tagged */
    char *user;                 /* who asks; NULL when it does not say */
    char *password;             /* with it; wiped when it is freed */

    /* REQUEST_CALL */
    char *host;
    char *procedure;
    char *arguments;            /* an array or object */
    char *info;                 /* any value; NULL when not given */
    char *queue;                /* an object, canonical once read; or NULL */
    int64_t concurrency;        /* of the queue, at least 1 */
    double timeout;             /* seconds; 0 when not given */
    double max_exec_time;       /* seconds; 0 when not given */
    char *dedup_key;            /* any value, canonical once read; or NULL */
    double dedup_window;        /* seconds; above 0 */

    /* what is asked of one job */
    char *job_id;               /* any string: not checked to be a UUID */
    bool wait;                  /* REQUEST_GET_RESULT; true when left out */

    /* the streams: at most one of the two is not -1 */
    int64_t since;              /* number of the first packet wanted */
    int64_t recent;             /* how many of the last ones */
    bool timestamps;            /* packets are to carry their time */

    struct request_filter filter;       /* REQUEST_LIST_JOBS */
    int64_t forget;             /* REQUEST_FORGET: a tag */
};

/*
 * Fills a zeroed or freed request. Errors: parse_error, invalid_request; the
 * tag is there even then, if it could be read.
 *
 * `"auth":{"user","password"}` may be in any request, as daemons have it
 * (protocol §2).
 */
int request_read(struct request *request, struct text line,
                 struct harp_error *error);

bool request_is_hello(const struct request *request);

/* Appends the request with its line end. */
void request_write(const struct request *request, struct buffer *buffer);

/* Appends a request's line with its sender in it, who is not in it yet. */
void request_add_auth(struct buffer *buffer, struct text line,
                      const char *user, const char *password);

void request_free(struct request *request);

#endif
