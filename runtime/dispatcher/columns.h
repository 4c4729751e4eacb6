/*
 * Values of the database, in and out. Texts and strings that come out lie in
 * the statement's row, and last as long as that.
 */
#ifndef HARP_DISPATCHER_COLUMNS_H
#define HARP_DISPATCHER_COLUMNS_H

#include <sqlite3.h>

#include "base/buffer.h"

struct reply_job;
struct request;

/* They come first in a statement. */
#define CALL_COLUMNS \
    "host, procedure, arguments, info, queue, concurrency, timeout, " \
    "max_exec_time"
#define JOB_COLUMNS CALL_COLUMNS ", id, submit, start, end"
#define CALL_COUNT 8
#define JOB_COUNT 12

void bind_text(sqlite3_stmt *statement, int at, const char *string);
void bind_buffer(sqlite3_stmt *statement, int at,
                 const struct buffer *buffer);
void bind_call(sqlite3_stmt *statement, const struct request *call);

struct text column_text(sqlite3_stmt *statement, int at);
char *column_string(sqlite3_stmt *statement, int at);
void column_call(sqlite3_stmt *statement, struct request *call);

/* All but its outcome; its call becomes `call`. */
void column_job(sqlite3_stmt *statement, struct reply_job *job,
                struct request *call);

#endif
