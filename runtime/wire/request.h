/*
 * The requests of a client to a dispatcher (protocol §1), read with all the
 * checks and written, in one place.
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
    REQUEST_READ_STREAM
};

/*
 * Strings are owned and never NULL for the kinds that have them; texts are
 * JSON values. A request that was read keeps its own copy of all of them.
 */
struct request {
    enum request_kind kind;

    /* REQUEST_CALL */
    char *host;
    char *procedure;
    char *arguments;            /* an array or object */
    char *info;                 /* any value; NULL when not given */
    char *queue;                /* an object, canonical once read; or NULL */
    int64_t concurrency;        /* of the queue, at least 1 */
    double timeout;             /* seconds; 0 when not given */
    double max_exec_time;       /* seconds; 0 when not given */

    /* all the others */
    char *job_id;               /* any string: not checked to be a UUID */
    bool wait;                  /* REQUEST_GET_RESULT; true when left out */

    /* the streams: at most one of the two is not -1 */
    int64_t since;              /* number of the first packet wanted */
    int64_t recent;             /* how many of the last ones */
};

/* Fills a zeroed or freed request. Errors: parse_error, invalid_request. */
int request_read(struct request *request, struct text line,
                 struct harp_error *error);

/* Appends the request with its line end. */
void request_write(const struct request *request, struct buffer *buffer);

void request_free(struct request *request);

#endif
