#include "dispatcher/database.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"

/* steps[n] takes a database of version n to the next one. */
static const char *const steps[] = {
    "CREATE TABLE job ("
    " seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " host TEXT NOT NULL, procedure TEXT NOT NULL, arguments TEXT NOT NULL,"
    " info TEXT, queue TEXT, concurrency INTEGER NOT NULL,"
    " timeout REAL NOT NULL, max_exec_time REAL NOT NULL,"
    " submit REAL NOT NULL, start REAL, end REAL, outcome TEXT);"
    "CREATE INDEX unfinished ON job (seq) WHERE end IS NULL;"
    "CREATE TABLE packet ("
    " job INTEGER NOT NULL, number INTEGER NOT NULL, time REAL NOT NULL,"
    " data TEXT NOT NULL, PRIMARY KEY (job, number)) WITHOUT ROWID;",

    "ALTER TABLE job ADD COLUMN dedup TEXT;"
    "CREATE INDEX job_dedup ON job (dedup, submit) WHERE dedup IS NOT NULL;"
    "CREATE INDEX job_submit ON job (submit);"
    "CREATE INDEX job_host ON job (host, submit);"
    "CREATE INDEX job_queue ON job (queue, submit) WHERE queue IS NOT NULL;"
    "DROP INDEX unfinished;"
    "CREATE INDEX unfinished ON job (submit) WHERE end IS NULL;",

    /* pruned: jobs that are gone, and whose packets are going. */
    ("CREATE INDEX job_end ON job (end) WHERE end IS NOT NULL;"
     "CREATE TABLE pruned (seq INTEGER PRIMARY KEY);"),

    /*
     * spent: dedup keys of jobs that are gone. The windows of older jobs are
     * not known: a day, which is the client's default.
     */
    ("ALTER TABLE job ADD COLUMN dedup_window REAL NOT NULL DEFAULT 86400;"
     "CREATE TABLE spent ("
     " key TEXT NOT NULL, submit REAL NOT NULL, id TEXT NOT NULL,"
     " until REAL NOT NULL);"
     "CREATE INDEX spent_key ON spent (key, submit);"
     "CREATE INDEX spent_until ON spent (until);"),
};

#define VERSION ((int)(sizeof steps / sizeof *steps))

int database_failed(sqlite3 *database, struct harp_error *error)
{
    return error_set(error, REMOTE_ERROR, "system_error", "database: %s",
                     sqlite3_errmsg(database));
}

static int execute(sqlite3 *database, const char *sql,
                   struct harp_error *error)
{
    if (sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return database_failed(database, error);
}

int64_t database_integer(sqlite3 *database, const char *sql)
{
    sqlite3_stmt *statement;
    int64_t integer = -1;

    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK
        && sqlite3_step(statement) == SQLITE_ROW)
        integer = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return integer;
}

/* All the steps or none: the version is a part of the transaction. */
static int take_steps(sqlite3 *database, int version,
                      struct harp_error *error)
{
    char *end = memory_format("PRAGMA user_version = %d; COMMIT", VERSION);
    int status = execute(database, "BEGIN IMMEDIATE", error);

    for (; status == 0 && version < VERSION; version++)
        status = execute(database, steps[version], error);
    if (status == 0)
        status = execute(database, end, error);
    free(end);
    return status;
}

static int update_schema(sqlite3 *database, struct harp_error *error)
{
    int version = (int)database_integer(database, "PRAGMA user_version");
    int64_t tables = database_integer(database,
                                      "SELECT count(*) FROM sqlite_schema");

    if (version == VERSION)
        return 0;
    if (version < 0 || version > VERSION || (version == 0 && tables != 0))
        return error_set(error, USAGE_ERROR, "configuration", "the database "
                         "was made by another version of harp, or by another "
                         "program (schema %d)", version);
    if (take_steps(database, version, error) != 0)
        return -1;
    if (version > 0)
        log_info("the database was of schema %d, and is of %d now", version,
                 VERSION);
    return 0;
}

/*
 * The lock that EXCLUSIVE takes with the first write tells of a second one.
 * Only a new database can be one that gives pages back (auto_vacuum).
 */
static int prepare(sqlite3 *database, struct harp_error *error)
{
    if (execute(database,
                "PRAGMA locking_mode = EXCLUSIVE;"
                "PRAGMA auto_vacuum = INCREMENTAL;"
                "PRAGMA journal_mode = WAL;"
                "PRAGMA synchronous = FULL;"
                "BEGIN IMMEDIATE; COMMIT;", error) != 0)
        return -1;
    return update_schema(database, error);
}

sqlite3 *database_open(const char *path, struct harp_error *error)
{
    sqlite3 *database;
    mode_t mask = umask(0077);  /* arguments and results are not for all */
    int status = sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE
                                 | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                 NULL);     /* there is one thread */

    if (status != SQLITE_OK)
        database_failed(database, error);
    else if (prepare(database, error) == 0)
        status = SQLITE_DONE;
    umask(mask);
    if (status == SQLITE_DONE)
        return database;
    if (sqlite3_errcode(database) == SQLITE_BUSY)
        error_set(error, USAGE_ERROR, "configuration",
                  "another dispatcher uses this database");
    error_prefix(error, "%s", path);
    sqlite3_close(database);
    return NULL;
}

int database_touch(sqlite3 *database)
{
    char *sql = memory_format("PRAGMA user_version = %d", VERSION);
    int status = sqlite3_exec(database, sql, NULL, NULL, NULL);

    free(sql);
    return status == SQLITE_OK ? 0 : -1;
}

double database_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}
