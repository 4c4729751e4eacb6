#include "dispatcher/columns.h"

#include "wire/reply.h"
#include "wire/request.h"

void bind_text(sqlite3_stmt *statement, int at, const char *string)
{
    sqlite3_bind_text(statement, at, string, -1, SQLITE_STATIC);
}

void bind_buffer(sqlite3_stmt *statement, int at,
                 const struct buffer *buffer)
{
    sqlite3_bind_text64(statement, at, buffer->data, buffer->length,
                        SQLITE_STATIC, SQLITE_UTF8);
}

void bind_call(sqlite3_stmt *statement, const struct request *call)
{
    bind_text(statement, 1, call->host);
    bind_text(statement, 2, call->procedure);
    bind_text(statement, 3, call->arguments);
    bind_text(statement, 4, call->info);
    bind_text(statement, 5, call->queue);
    sqlite3_bind_int64(statement, 6, call->concurrency);
    sqlite3_bind_double(statement, 7, call->timeout);
    sqlite3_bind_double(statement, 8, call->max_exec_time);
}

struct text column_text(sqlite3_stmt *statement, int at)
{
    const char *data = (const char *)sqlite3_column_text(statement, at);

    return (struct text){ data, (size_t)sqlite3_column_bytes(statement, at) };
}

char *column_string(sqlite3_stmt *statement, int at)
{
    return (char *)sqlite3_column_text(statement, at);
}

void column_call(sqlite3_stmt *statement, struct request *call)
{
    *call = (struct request){
        .kind = REQUEST_CALL,
        .host = column_string(statement, 0),
        .procedure = column_string(statement, 1),
        .arguments = column_string(statement, 2),
        .info = column_string(statement, 3),
        .queue = column_string(statement, 4),
        .concurrency = sqlite3_column_int64(statement, 5),
        .timeout = sqlite3_column_double(statement, 6),
        .max_exec_time = sqlite3_column_double(statement, 7),
    };
}

void column_job(sqlite3_stmt *statement, struct reply_job *job,
                struct request *call)
{
    column_call(statement, call);
    *job = (struct reply_job){
        .call = call,
        .id = column_string(statement, CALL_COUNT),
        .submit = sqlite3_column_double(statement, CALL_COUNT + 1),
        .start = sqlite3_column_double(statement, CALL_COUNT + 2),
        .end = sqlite3_column_double(statement, CALL_COUNT + 3),
    };
}
