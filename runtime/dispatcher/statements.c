#include "dispatcher/statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"
#include "dispatcher/database.h"

#define PAGE_ROWS 256
#define PAGE_BYTES 262144

#define CALL_COLUMNS \
    "host, procedure, arguments, info, queue, concurrency, timeout, " \
    "max_exec_time"

enum statement {
    BEGIN, COMMIT, ROLLBACK, SELECT_DUPLICATE, INSERT_JOB, SET_START, SELECT_CALL,
    INSERT_PACKET, SET_END, SELECT_STATUS, SELECT_OUTCOME, COUNT_PACKETS,
    SELECT_PACKETS, STATEMENTS
};

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [SELECT_DUPLICATE] =
        "SELECT id FROM job WHERE dedup = ? AND submit >= ?"
        " ORDER BY submit DESC LIMIT 1",
    [INSERT_JOB] =
        "INSERT INTO job (" CALL_COLUMNS ", id, submit, dedup)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SET_START] =
        "UPDATE job SET start = ?2 WHERE seq = ?1 AND end IS NULL",
    [SELECT_CALL] = "SELECT " CALL_COLUMNS " FROM job WHERE seq = ?",
    [INSERT_PACKET] = "INSERT INTO packet VALUES (?, ?, ?, ?)",
    [SET_END] =
        "UPDATE job SET end = ?2, outcome = ?3"
        " WHERE seq = ?1 AND end IS NULL",
    [SELECT_STATUS] =
        "SELECT " CALL_COLUMNS ", submit, start, end FROM job WHERE id = ?",
    [SELECT_OUTCOME] = "SELECT seq, outcome FROM job WHERE id = ?",
    [COUNT_PACKETS] = "SELECT max(number) + 1 FROM packet WHERE job = ?",
    [SELECT_PACKETS] =
        "SELECT number, data, time FROM packet WHERE job = ? AND number >= ?"
        " ORDER BY number LIMIT ?",
};

struct statements {
    sqlite3 *database;
    sqlite3_stmt *prepared[STATEMENTS];
    struct request call;        /* that was read; its strings and texts… */
    sqlite3_stmt *answering;    /* …lie in the row of this one */
};

/* ---- opening ---- */

static int failed(struct statements *statements, struct harp_error *error)
{
    return database_failed(statements->database, error);
}

static int prepare(struct statements *statements, struct harp_error *error)
{
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(statements->database, texts[i], -1,
                               SQLITE_PREPARE_PERSISTENT,
                               &statements->prepared[i], NULL) != SQLITE_OK)
            return failed(statements, error);
    return 0;
}

struct statements *statements_open(const char *path,
                                   struct harp_error *error)
{
    struct statements *statements;
    sqlite3 *database = database_open(path, error);

    if (!database)
        return NULL;
    statements = memory_new(sizeof *statements);
    statements->database = database;
    if (prepare(statements, error) == 0)
        return statements;
    error_prefix(error, "%s", path);
    statements_close(statements);
    return NULL;
}

void statements_close(struct statements *statements)
{
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(statements->prepared[i]);
    sqlite3_close(statements->database);
    free(statements);
}

/* ---- values in and out ---- */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *string)
{
    sqlite3_bind_text(statement, at, string, -1, SQLITE_STATIC);
}

static void bind_buffer(sqlite3_stmt *statement, int at,
                        const struct buffer *buffer)
{
    sqlite3_bind_text64(statement, at, buffer->data, buffer->length,
                        SQLITE_STATIC, SQLITE_UTF8);
}

static struct text column_text(sqlite3_stmt *statement, int at)
{
    const char *data = (const char *)sqlite3_column_text(statement, at);

    return (struct text){ data, (size_t)sqlite3_column_bytes(statement, at) };
}

/* CALL_COLUMNS, which come first. */
static void bind_call(sqlite3_stmt *statement, const struct request *call)
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

/* The strings lie in the statement's row. */
static char *column_string(sqlite3_stmt *statement, int at)
{
    return (char *)sqlite3_column_text(statement, at);
}

static void look_at_call(sqlite3_stmt *statement, struct request *call)
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

static struct request *copy_call(sqlite3_stmt *statement)
{
    struct request *call = memory_new(sizeof *call);

    look_at_call(statement, call);
    call->host = memory_string(call->host);
    call->procedure = memory_string(call->procedure);
    call->arguments = memory_string(call->arguments);
    call->info = memory_string(call->info);
    call->queue = memory_string(call->queue);
    return call;
}

/* ---- operations: each returns SQLITE_DONE when it went well ---- */

static sqlite3_stmt *use(struct statements *statements, enum statement which)
{
    sqlite3_stmt *statement = statements->prepared[which];

    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return statement;
}

/* In the transaction of the insert: so two in it are one job too. */
static int find_duplicate(struct statements *statements,
                          struct operation *operation, double time)
{
    const struct request *call = operation->call;
    sqlite3_stmt *select;
    int status;

    if (!call->dedup_key)
        return SQLITE_DONE;
    select = use(statements, SELECT_DUPLICATE);
    bind_text(select, 1, call->dedup_key);
    sqlite3_bind_double(select, 2, time - call->dedup_window);
    status = sqlite3_step(select);
    if (status == SQLITE_ROW) {
        snprintf(operation->duplicate, JOB_ID_SIZE, "%s",
                 column_string(select, 0));
        operation->answer.duplicate = operation->duplicate;
        status = SQLITE_DONE;
    }
    sqlite3_reset(select);
    return status;
}

static int insert_job(struct statements *statements,
                      struct operation *operation, double time)
{
    sqlite3_stmt *insert = use(statements, INSERT_JOB);
    int status;

    bind_call(insert, operation->call);
    bind_text(insert, 9, operation->id);
    sqlite3_bind_double(insert, 10, time);
    bind_text(insert, 11, operation->call->dedup_key);
    status = sqlite3_step(insert);
    operation->answer.number = sqlite3_last_insert_rowid(statements->database);
    return status;
}

static int add_job(struct statements *statements, struct operation *operation)
{
    double time = now();
    int status = find_duplicate(statements, operation, time);

    if (status != SQLITE_DONE || operation->answer.duplicate)
        return status;
    return insert_job(statements, operation, time);
}

static int start_job(struct statements *statements,
                     struct operation *operation)
{
    sqlite3_stmt *update = use(statements, SET_START);
    sqlite3_stmt *select = use(statements, SELECT_CALL);
    int status;

    sqlite3_bind_int64(update, 1, operation->job);
    sqlite3_bind_double(update, 2, now());
    status = sqlite3_step(update);
    if (status != SQLITE_DONE)
        return status;
    sqlite3_bind_int64(select, 1, operation->job);
    status = sqlite3_step(select);
    if (status == SQLITE_ROW) {
        operation->found_call = copy_call(select);
        operation->found.call = operation->found_call;
        operation->answer.job = &operation->found;
        status = SQLITE_DONE;
    }
    sqlite3_reset(select);
    return status;
}

static int add_packet(struct statements *statements,
                      struct operation *operation)
{
    sqlite3_stmt *insert = use(statements, INSERT_PACKET);

    sqlite3_bind_int64(insert, 1, operation->job);
    sqlite3_bind_int64(insert, 2, operation->number);
    sqlite3_bind_double(insert, 3, now());
    bind_buffer(insert, 4, &operation->text);
    return sqlite3_step(insert);
}

static int end_job(struct statements *statements,
                   struct operation *operation)
{
    sqlite3_stmt *update = use(statements, SET_END);

    sqlite3_bind_int64(update, 1, operation->job);
    sqlite3_bind_double(update, 2, now());
    bind_buffer(update, 3, &operation->text);
    return sqlite3_step(update);
}

static int sync_only(struct statements *statements,
                     struct operation *operation)
{
    (void)statements;
    (void)operation;
    return SQLITE_DONE;
}

/* ---- reading ---- */

static int read_status(struct statements *statements,
                       struct operation *operation)
{
    sqlite3_stmt *select = use(statements, SELECT_STATUS);
    int status;

    statements->answering = select;
    bind_text(select, 1, operation->id);
    status = sqlite3_step(select);
    if (status != SQLITE_ROW)
        return status;
    look_at_call(select, &statements->call);
    operation->found = (struct store_job){
        .call = &statements->call,
        .submit = sqlite3_column_double(select, 8),
        .start = sqlite3_column_double(select, 9),
        .end = sqlite3_column_double(select, 10),
    };
    operation->answer.job = &operation->found;
    return SQLITE_DONE;
}

/* Number of the first packet of the last `recent`. */
static int find_recent(struct statements *statements,
                       struct operation *operation)
{
    sqlite3_stmt *count = use(statements, COUNT_PACKETS);
    int status;

    sqlite3_bind_int64(count, 1, operation->answer.number);
    status = sqlite3_step(count);
    if (status == SQLITE_ROW) {
        operation->number = sqlite3_column_int64(count, 0)
                          - operation->recent;
        if (operation->number < 0)
            operation->number = 0;
        status = SQLITE_DONE;
    }
    sqlite3_reset(count);
    return status;
}

static int read_packets(struct statements *statements,
                        struct operation *operation)
{
    sqlite3_stmt *select = use(statements, SELECT_PACKETS);
    size_t count = 0, bytes = 0;
    int status = SQLITE_ROW;

    sqlite3_bind_int64(select, 1, operation->answer.number);
    sqlite3_bind_int64(select, 2, operation->number);
    sqlite3_bind_int64(select, 3, PAGE_ROWS);
    while (bytes < PAGE_BYTES
           && (status = sqlite3_step(select)) == SQLITE_ROW) {
        struct store_packet packet = {
            sqlite3_column_int64(select, 0), column_text(select, 1),
            sqlite3_column_double(select, 2)
        };

        operation->each_packet(operation->completion.owner, &packet);
        operation->answer.next = packet.number + 1;
        bytes += packet.data.length;
        count++;
    }
    sqlite3_reset(select);
    operation->answer.complete = status == SQLITE_DONE && count < PAGE_ROWS;
    return status == SQLITE_ROW ? SQLITE_DONE : status;
}

static int read_page(struct statements *statements,
                     struct operation *operation)
{
    struct store_answer *answer = &operation->answer;
    sqlite3_stmt *select = use(statements, SELECT_OUTCOME);
    int status;

    statements->answering = select;
    bind_text(select, 1, operation->id);
    status = sqlite3_step(select);
    if (status != SQLITE_ROW)
        return status;
    answer->found = answer->complete = true;
    answer->number = sqlite3_column_int64(select, 0);
    status = SQLITE_DONE;
    if (operation->number < 0 && operation->recent >= 0)
        status = find_recent(statements, operation);
    answer->next = operation->number;
    if (status == SQLITE_DONE && operation->number >= 0)
        status = read_packets(statements, operation);
    if (status == SQLITE_DONE && answer->complete)
        answer->outcome = column_text(select, 1);
    return status;
}

static int (*const runs[])(struct statements *statements,
                           struct operation *operation) = {
    [ADD_JOB] = add_job,
    [START_JOB] = start_job,
    [ADD_PACKET] = add_packet,
    [END_JOB] = end_job,
    [SYNC] = sync_only,
    [READ_STATUS] = read_status,
    [READ_PAGE] = read_page,
};

static void forget_answer(struct operation *operation)
{
    if (operation->found_call)
        request_free(operation->found_call);
    free(operation->found_call);
    operation->found_call = NULL;
    operation->answer = (struct store_answer){ 0 };
}

void operation_free(struct operation *operation)
{
    forget_answer(operation);
    buffer_free(&operation->text);
    free(operation);
}

/* ---- transactions ---- */

static int run_all(struct statements *statements, struct operations *batch)
{
    struct operation *operation;
    int status = sqlite3_step(use(statements, BEGIN));

    STAILQ_FOREACH(operation, batch, link)
        if (status == SQLITE_DONE)
            status = runs[operation->kind](statements, operation);
    return status == SQLITE_DONE ? sqlite3_step(use(statements, COMMIT))
                                 : status;
}

int statements_write(struct statements *statements, struct operations *batch,
                     struct harp_error *error)
{
    struct operation *operation;

    if (run_all(statements, batch) == SQLITE_DONE)
        return 0;
    failed(statements, error);
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_reset(statements->prepared[i]);
    sqlite3_step(use(statements, ROLLBACK));
    for (operation = STAILQ_FIRST(batch); operation;
         operation = STAILQ_NEXT(operation, link))
        forget_answer(operation);
    return -1;
}

int statements_read(struct statements *statements,
                    struct operation *operation, struct harp_error *error)
{
    if (runs[operation->kind](statements, operation) == SQLITE_DONE)
        return 0;
    return failed(statements, error);
}

void statements_release(struct statements *statements)
{
    sqlite3_reset(statements->answering);
}

/* ---- after a restart ---- */

static int end_interrupted(struct statements *statements,
                           struct text outcome, struct harp_error *error)
{
    sqlite3_stmt *update;
    int status;

    if (sqlite3_prepare_v2(statements->database,
                           "UPDATE job SET end = ?, outcome = ?"
                           " WHERE end IS NULL AND start IS NOT NULL",
                           -1, &update, NULL) != SQLITE_OK)
        return failed(statements, error);
    sqlite3_bind_double(update, 1, now());
    sqlite3_bind_text64(update, 2, outcome.data, outcome.length,
                        SQLITE_STATIC, SQLITE_UTF8);
    status = sqlite3_step(update);
    sqlite3_finalize(update);
    return status == SQLITE_DONE ? 0 : failed(statements, error);
}

static void nothing(void *owner, int64_t job, const char *id,
                    const struct request *call)
{
    (void)owner, (void)job, (void)id, (void)call;
}

static int read_queued(struct statements *statements,
                       void (*each)(void *owner, int64_t job, const char *id,
                                    const struct request *call),
                       void *owner, struct harp_error *error)
{
    sqlite3_stmt *select;
    int status;

    if (sqlite3_prepare_v2(statements->database,
                           "SELECT " CALL_COLUMNS ", seq, id FROM job"
                           " WHERE end IS NULL AND length(id) = 36"
                           " ORDER BY seq",
                           -1, &select, NULL) != SQLITE_OK)
        return failed(statements, error);
    while ((status = sqlite3_step(select)) == SQLITE_ROW) {
        struct request call;

        look_at_call(select, &call);
        each(owner, sqlite3_column_int64(select, 8), column_string(select, 9),
             &call);
    }
    sqlite3_finalize(select);
    return status == SQLITE_DONE ? 0 : failed(statements, error);
}

/* Read once before anyone is told: when it cannot be, nothing has begun. */
int statements_recover(struct statements *statements, struct text outcome,
                       void (*each)(void *owner, int64_t job, const char *id,
                                    const struct request *call),
                       void *owner, struct harp_error *error)
{
    if (read_queued(statements, nothing, NULL, error) != 0
        || end_interrupted(statements, outcome, error) != 0)
        return -1;
    return read_queued(statements, each, owner, error);
}
