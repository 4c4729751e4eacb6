#include "dispatcher/statements.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"

#define PAGE_ROWS 256
#define PAGE_BYTES 262144
#define SCHEMA_VERSION 1

#define CALL_COLUMNS \
    "host, procedure, arguments, info, queue, concurrency, timeout, " \
    "max_exec_time"

static const char schema[] =
    "CREATE TABLE job ("
    " seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " host TEXT NOT NULL, procedure TEXT NOT NULL, arguments TEXT NOT NULL,"
    " info TEXT, queue TEXT, concurrency INTEGER NOT NULL,"
    " timeout REAL NOT NULL, max_exec_time REAL NOT NULL,"
    " submit REAL NOT NULL, start REAL, end REAL, outcome TEXT);"
    "CREATE INDEX unfinished ON job (seq) WHERE end IS NULL;"
    "CREATE TABLE packet ("
    " job INTEGER NOT NULL, number INTEGER NOT NULL, time REAL NOT NULL,"
    " data TEXT NOT NULL, PRIMARY KEY (job, number)) WITHOUT ROWID;"
    "PRAGMA user_version = 1;";

enum statement {
    BEGIN, COMMIT, ROLLBACK, INSERT_JOB, SET_START, SELECT_CALL,
    INSERT_PACKET, SET_END, SELECT_STATUS, SELECT_OUTCOME, COUNT_PACKETS,
    SELECT_PACKETS, STATEMENTS
};

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [INSERT_JOB] =
        "INSERT INTO job (" CALL_COLUMNS ", id, submit)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        "SELECT number, data FROM packet WHERE job = ? AND number >= ?"
        " ORDER BY number LIMIT ?",
};

struct statements {
    sqlite3 *database;
    sqlite3_stmt *prepared[STATEMENTS];
};

/* ---- opening ---- */

static int failed(struct statements *statements, struct harp_error *error)
{
    return error_set(error, REMOTE_ERROR, "system_error", "database: %s",
                     sqlite3_errmsg(statements->database));
}

static int execute(struct statements *statements, const char *sql,
                   struct harp_error *error)
{
    if (sqlite3_exec(statements->database, sql, NULL, NULL, NULL)
        == SQLITE_OK)
        return 0;
    return failed(statements, error);
}

static int select_integer(struct statements *statements, const char *sql)
{
    sqlite3_stmt *statement;
    int integer = -1;

    if (sqlite3_prepare_v2(statements->database, sql, -1, &statement, NULL)
        == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        integer = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return integer;
}

static int make_schema(struct statements *statements,
                       struct harp_error *error)
{
    int version = select_integer(statements, "PRAGMA user_version");
    int tables = select_integer(statements,
                                "SELECT count(*) FROM sqlite_schema");

    if (version == SCHEMA_VERSION)
        return 0;
    if (version != 0 || tables != 0)
        return error_set(error, USAGE_ERROR, "configuration", "the database "
                         "was made by another version of harp, or by another "
                         "program (schema %d)", version);
    if (execute(statements, "BEGIN IMMEDIATE", error) != 0
        || execute(statements, schema, error) != 0)
        return -1;
    return execute(statements, "COMMIT", error);
}

/* The lock that EXCLUSIVE takes with the first write tells of a second one. */
static int prepare(struct statements *statements, struct harp_error *error)
{
    if (execute(statements,
                "PRAGMA locking_mode = EXCLUSIVE;"
                "PRAGMA journal_mode = WAL;"
                "PRAGMA synchronous = FULL;"
                "BEGIN IMMEDIATE; COMMIT;", error) != 0
        || make_schema(statements, error) != 0)
        return -1;
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
    struct statements *statements = memory_new(sizeof *statements);
    mode_t mask = umask(0077);  /* arguments and results are not for all */
    int status = sqlite3_open(path, &statements->database);

    if (status != SQLITE_OK)
        failed(statements, error);
    else if (prepare(statements, error) == 0)
        status = SQLITE_DONE;
    umask(mask);
    if (status == SQLITE_DONE)
        return statements;
    if (sqlite3_errcode(statements->database) == SQLITE_BUSY)
        error_set(error, USAGE_ERROR, "configuration",
                  "another dispatcher uses this database");
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

static char *column_string(sqlite3_stmt *statement, int at)
{
    return memory_string((const char *)sqlite3_column_text(statement, at));
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

static void read_call(sqlite3_stmt *statement, struct request *call)
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

/* ---- operations: each returns SQLITE_DONE when it went well ---- */

static sqlite3_stmt *use(struct statements *statements, enum statement which)
{
    sqlite3_stmt *statement = statements->prepared[which];

    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return statement;
}

static int add_job(struct statements *statements,
                   struct operation *operation)
{
    sqlite3_stmt *insert = use(statements, INSERT_JOB);
    int status;

    bind_call(insert, &operation->call);
    bind_text(insert, 9, operation->id);
    sqlite3_bind_double(insert, 10, now());
    status = sqlite3_step(insert);
    operation->answer.job = sqlite3_last_insert_rowid(statements->database);
    return status;
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
        read_call(select, &operation->found);
        operation->answer.call = &operation->found;
        operation->answer.found = true;
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

static int read_status(struct statements *statements,
                       struct operation *operation)
{
    struct store_answer *answer = &operation->answer;
    sqlite3_stmt *select = use(statements, SELECT_STATUS);
    int status;

    bind_text(select, 1, operation->id);
    status = sqlite3_step(select);
    if (status == SQLITE_ROW) {
        read_call(select, &operation->found);
        answer->call = &operation->found;
        answer->found = true;
        answer->submit = sqlite3_column_double(select, 8);
        answer->start = sqlite3_column_double(select, 9);
        answer->end = sqlite3_column_double(select, 10);
        status = SQLITE_DONE;
    }
    sqlite3_reset(select);
    return status;
}

/* Number of the first packet of the last `recent`. */
static int find_recent(struct statements *statements,
                       struct operation *operation)
{
    sqlite3_stmt *count = use(statements, COUNT_PACKETS);
    int status;

    sqlite3_bind_int64(count, 1, operation->answer.job);
    status = sqlite3_step(count);
    if (status != SQLITE_ROW)
        return status;
    operation->number = sqlite3_column_int64(count, 0) - operation->recent;
    if (operation->number < 0)
        operation->number = 0;
    sqlite3_reset(count);
    return SQLITE_DONE;
}

/* Texts move as the buffer grows: lengths first, places when all are there. */
static void place_packets(struct operation *operation)
{
    const char *data = operation->page.data;

    for (size_t i = 0; i < operation->answer.count; i++) {
        operation->packets[i].data.data = data;
        data += operation->packets[i].data.length;
    }
    operation->answer.packets = operation->packets;
}

static int read_packets(struct statements *statements,
                        struct operation *operation)
{
    struct store_answer *answer = &operation->answer;
    sqlite3_stmt *select = use(statements, SELECT_PACKETS);
    int status = SQLITE_ROW;

    sqlite3_bind_int64(select, 1, answer->job);
    sqlite3_bind_int64(select, 2, operation->number);
    sqlite3_bind_int64(select, 3, PAGE_ROWS);
    operation->packets = memory_new(PAGE_ROWS * sizeof *operation->packets);
    while (operation->page.length < PAGE_BYTES
           && (status = sqlite3_step(select)) == SQLITE_ROW) {
        struct text data = column_text(select, 1);

        buffer_add_text(&operation->page, data);
        operation->packets[answer->count++] = (struct store_packet){
            sqlite3_column_int64(select, 0), { NULL, data.length }
        };
    }
    sqlite3_reset(select);
    answer->complete = status == SQLITE_DONE && answer->count < PAGE_ROWS;
    place_packets(operation);
    return status == SQLITE_ROW ? SQLITE_DONE : status;
}

static int read_page(struct statements *statements,
                     struct operation *operation)
{
    struct store_answer *answer = &operation->answer;
    sqlite3_stmt *select = use(statements, SELECT_OUTCOME);
    int status;

    bind_text(select, 1, operation->id);
    status = sqlite3_step(select);
    if (status != SQLITE_ROW)
        return status;
    answer->found = answer->complete = true;
    answer->job = sqlite3_column_int64(select, 0);
    status = SQLITE_DONE;
    if (operation->number < 0 && operation->recent >= 0)
        status = find_recent(statements, operation);
    if (status == SQLITE_DONE && operation->number >= 0)
        status = read_packets(statements, operation);
    if (status == SQLITE_DONE && answer->complete) {
        struct text outcome = column_text(select, 1);

        operation->outcome = memory_copy(outcome.data, outcome.length);
        answer->outcome = (struct text){ operation->outcome, outcome.length };
    }
    sqlite3_reset(select);
    return status;
}

static int sync_only(struct statements *statements,
                     struct operation *operation)
{
    (void)statements;
    (void)operation;
    return SQLITE_DONE;
}

static int (*const runs[])(struct statements *statements,
                           struct operation *operation) = {
    [ADD_JOB] = add_job,
    [START_JOB] = start_job,
    [ADD_PACKET] = add_packet,
    [END_JOB] = end_job,
    [READ_STATUS] = read_status,
    [READ_PAGE] = read_page,
    [SYNC] = sync_only,
};

static void free_answer(struct operation *operation)
{
    request_free(&operation->found);
    free(operation->packets);
    buffer_free(&operation->page);
    free(operation->outcome);
}

static void forget_answer(struct operation *operation)
{
    free_answer(operation);
    operation->answer = (struct store_answer){ 0 };
    operation->packets = NULL;
    operation->outcome = NULL;
}

void operation_free(struct operation *operation)
{
    buffer_free(&operation->text);
    request_free(&operation->call);
    free_answer(operation);
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

int statements_transaction(struct statements *statements,
                           struct operations *batch,
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

        read_call(select, &call);
        each(owner, sqlite3_column_int64(select, 8),
             (const char *)sqlite3_column_text(select, 9), &call);
        request_free(&call);
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
