#include "dispatcher/statements.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "dispatcher/columns.h"
#include "dispatcher/database.h"
#include "dispatcher/prune.h"
#include "dispatcher/recovery.h"
#include "dispatcher/selection.h"
#include "wire/reply.h"

#define PAGE_ROWS 256
#define PAGE_BYTES 262144

enum statement {
    BEGIN, COMMIT, ROLLBACK, SELECT_DUPLICATE, INSERT_JOB, SET_START,
    SELECT_CALL, INSERT_PACKET, SET_END, SELECT_STATUS, SELECT_OUTCOME,
    COUNT_PACKETS, SELECT_PACKETS, STATEMENTS
};

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [SELECT_DUPLICATE] =
        "SELECT id, submit FROM job WHERE dedup = ?1 AND submit >= ?2"
        " UNION ALL"
        " SELECT id, submit FROM spent WHERE key = ?1 AND submit >= ?2"
        " ORDER BY submit DESC LIMIT 1",
    [INSERT_JOB] =
        "INSERT INTO job"
        " (" CALL_COLUMNS ", id, submit, dedup, dedup_window, seq)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        /* Not one whose packets are still there. */
        " max(ifnull((SELECT max(seq) FROM job), 0),"
        " ifnull((SELECT max(seq) FROM pruned), 0)) + 1)",
    [SET_START] =
        "UPDATE job SET start = ?2 WHERE seq = ?1 AND end IS NULL",
    [SELECT_CALL] = "SELECT " CALL_COLUMNS " FROM job WHERE seq = ?",
    [INSERT_PACKET] = "INSERT INTO packet VALUES (?, ?, ?, ?)",
    [SET_END] =
        "UPDATE job SET end = ?2, outcome = ?3"
        " WHERE seq = ?1 AND end IS NULL",
    [SELECT_STATUS] =
        "SELECT " JOB_COLUMNS " FROM job WHERE id = ?",
    [SELECT_OUTCOME] = "SELECT seq, outcome FROM job WHERE id = ?",
    [COUNT_PACKETS] = "SELECT max(number) + 1 FROM packet WHERE job = ?",
    [SELECT_PACKETS] =
        "SELECT number, data, time FROM packet WHERE job = ? AND number >= ?"
        " ORDER BY number LIMIT ?",
};

struct statements {
    sqlite3 *database;
    sqlite3_stmt *prepared[STATEMENTS];
    struct reply_job job;       /* that was read, and its call: they… */
    struct request call;
    sqlite3_stmt *answering;    /* …lie in the row of this one */
    int failure;                /* of the last one that did not write */
    bool uncertain;             /* it may be in the log all the same */
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

/* ---- operations: each returns SQLITE_DONE when it went well ---- */

static struct request *copy_call(sqlite3_stmt *statement)
{
    struct request *call = memory_new(sizeof *call);

    column_call(statement, call);
    call->host = memory_string(call->host);
    call->procedure = memory_string(call->procedure);
    call->arguments = memory_string(call->arguments);
    call->info = memory_string(call->info);
    call->queue = memory_string(call->queue);
    return call;
}

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
    sqlite3_bind_double(insert, 12, operation->call->dedup_window);
    status = sqlite3_step(insert);
    operation->answer.number = sqlite3_last_insert_rowid(statements->database);
    return status;
}

static int add_job(struct statements *statements, struct operation *operation)
{
    double time = database_now();
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
    sqlite3_bind_double(update, 2, database_now());
    status = sqlite3_step(update);
    if (status != SQLITE_DONE)
        return status;
    sqlite3_bind_int64(select, 1, operation->job);
    status = sqlite3_step(select);
    if (status == SQLITE_ROW) {
        operation->answer.call = operation->call_copy = copy_call(select);
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
    sqlite3_bind_double(insert, 3, database_now());
    bind_buffer(insert, 4, &operation->text);
    return sqlite3_step(insert);
}

static int end_job(struct statements *statements,
                   struct operation *operation)
{
    sqlite3_stmt *update = use(statements, SET_END);

    sqlite3_bind_int64(update, 1, operation->job);
    sqlite3_bind_double(update, 2, database_now());
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

static int prune(struct statements *statements, struct operation *operation)
{
    return prune_step(statements->database, operation);
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
    column_job(select, &statements->job, &statements->call);
    operation->answer.job = &statements->job;
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

static int list_jobs(struct statements *statements,
                     struct operation *operation)
{
    return selection_read(statements->database, operation);
}

static int (*const runs[])(struct statements *statements,
                           struct operation *operation) = {
    [ADD_JOB] = add_job,
    [START_JOB] = start_job,
    [ADD_PACKET] = add_packet,
    [END_JOB] = end_job,
    [SYNC] = sync_only,
    [PRUNE] = prune,
    [READ_STATUS] = read_status,
    [READ_PAGE] = read_page,
    [LIST_JOBS] = list_jobs,
};

static void forget_answer(struct operation *operation)
{
    if (operation->call_copy)
        request_free(operation->call_copy);
    free(operation->call_copy);
    operation->call_copy = NULL;
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

/*
 * A commit that was written, and could not be synced, did not happen; but who
 * reads the log after a crash takes it for one that did.
 */
static void note_failure(struct statements *statements)
{
    int failure = sqlite3_extended_errcode(statements->database);

    statements->failure = failure;
    if (failure == SQLITE_IOERR_FSYNC)
        statements->uncertain = true;
}

static void add_doubt(struct harp_error *error)
{
    struct harp_error doubt = *error;

    error_set(error, doubt.kind, doubt.type,
              "%s; it may be found done after a restart", doubt.message);
}

int statements_write(struct statements *statements, struct operations *batch,
                     struct harp_error *error)
{
    struct operation *operation;

    if (run_all(statements, batch) == SQLITE_DONE)
        return 0;
    failed(statements, error);
    note_failure(statements);
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_reset(statements->prepared[i]);
    sqlite3_step(use(statements, ROLLBACK));
    for (operation = STAILQ_FIRST(batch); operation;
         operation = STAILQ_NEXT(operation, link))
        forget_answer(operation);
    if (statements_make_certain(statements) != 0)
        add_doubt(error);
    return -1;
}

/* Something else takes its place in the log. */
int statements_make_certain(struct statements *statements)
{
    if (!statements->uncertain)
        return 0;
    if (database_touch(statements->database) != 0)
        return -1;
    statements->uncertain = false;
    return 0;
}

/* Disks get full and fail, and recover; pages and rules do not. */
bool statements_failed_for_good(const struct statements *statements)
{
    switch (statements->failure & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return true;
    }
    return false;
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

int statements_recover(struct statements *statements, struct text outcome,
                       void (*each)(void *owner, int64_t job, const char *id,
                                    const struct request *call),
                       void *owner, struct harp_error *error)
{
    return recovery_run(statements->database, outcome, each, owner, error);
}
