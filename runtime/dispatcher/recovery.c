#include "dispatcher/recovery.h"

#include "dispatcher/columns.h"
#include "dispatcher/database.h"
#include "wire/request.h"

static int end_interrupted(sqlite3 *database, struct text outcome,
                           struct harp_error *error)
{
    sqlite3_stmt *update;
    int status;

    if (sqlite3_prepare_v2(database,
                           "UPDATE job INDEXED BY unfinished"
                           " SET end = ?, outcome = ?"
                           " WHERE end IS NULL AND start IS NOT NULL",
                           -1, &update, NULL) != SQLITE_OK)
        return database_failed(database, error);
    sqlite3_bind_double(update, 1, database_now());
    sqlite3_bind_text64(update, 2, outcome.data, outcome.length,
                        SQLITE_STATIC, SQLITE_UTF8);
    status = sqlite3_step(update);
    sqlite3_finalize(update);
    return status == SQLITE_DONE ? 0 : database_failed(database, error);
}

static void nothing(void *owner, int64_t job, const char *id,
                    const struct request *call)
{
    (void)owner, (void)job, (void)id, (void)call;
}

static int read_queued(sqlite3 *database,
                       void (*each)(void *owner, int64_t job, const char *id,
                                    const struct request *call),
                       void *owner, struct harp_error *error)
{
    sqlite3_stmt *select;
    int status;

    if (sqlite3_prepare_v2(database,
                           "SELECT " CALL_COLUMNS ", seq, id"
                           " FROM job INDEXED BY unfinished"
                           " WHERE end IS NULL AND length(id) = 36"
                           " ORDER BY seq",
                           -1, &select, NULL) != SQLITE_OK)
        return database_failed(database, error);
    while ((status = sqlite3_step(select)) == SQLITE_ROW) {
        struct request call;

        column_call(select, &call);
        each(owner, sqlite3_column_int64(select, CALL_COUNT),
             column_string(select, CALL_COUNT + 1), &call);
    }
    sqlite3_finalize(select);
    return status == SQLITE_DONE ? 0 : database_failed(database, error);
}

/* Read once before anyone is told: when it cannot be, nothing has begun. */
int recovery_run(sqlite3 *database, struct text outcome,
                 void (*each)(void *owner, int64_t job, const char *id,
                              const struct request *call),
                 void *owner, struct harp_error *error)
{
    if (read_queued(database, nothing, NULL, error) != 0
        || end_interrupted(database, outcome, error) != 0)
        return -1;
    return read_queued(database, each, owner, error);
}
