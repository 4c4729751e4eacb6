#include "dispatcher/prune.h"

#include <math.h>
#include <stdio.h>
#include <uv.h>

#include "dispatcher/columns.h"
#include "dispatcher/database.h"
#include "dispatcher/statements.h"

#define STEP_ROWS 512           /* of jobs, packets and keys */
#define STEP_TIME 4000000       /* ns */
#define CHUNK 8                 /* packets, keys or pages between two looks */
#define MOST_FREE 1024          /* pages worth keeping for what comes */

enum { SELECT_LEFT, DELETE_PACKETS, DELETE_LEFT, DELETE_SPENT, SELECT_EXCESS,
       INSERT_LEFT, INSERT_SPENT, DELETE_JOB, COUNT };

static const char *const texts[COUNT] = {
    [SELECT_LEFT] = "SELECT min(seq) FROM pruned WHERE seq > 0",
    [DELETE_PACKETS] =
        "DELETE FROM packet WHERE job = ?1 AND number <"
        " (SELECT min(number) FROM packet WHERE job = ?1) + ?2",
    [DELETE_LEFT] = "DELETE FROM pruned WHERE seq = ?",
    [DELETE_SPENT] =
        "DELETE FROM spent WHERE rowid IN"
        " (SELECT rowid FROM spent WHERE until < ?2 ORDER BY until LIMIT ?1)",
    [SELECT_EXCESS] =
        "SELECT end, seq, id FROM job INDEXED BY job_end"
        " WHERE end IS NOT NULL AND end < ?1 AND (end, seq) > (?2, ?3)"
        " ORDER BY end, seq LIMIT 1",
    [INSERT_LEFT] = "INSERT INTO pruned VALUES (?)",
    [INSERT_SPENT] =
        "INSERT INTO spent SELECT dedup, submit, id, submit + dedup_window"
        " FROM job WHERE seq = ?1 AND dedup IS NOT NULL"
        " AND submit + dedup_window >= ?2",
    [DELETE_JOB] = "DELETE FROM job WHERE seq = ?",
};

struct pruning {
    sqlite3 *database;
    struct operation *operation;
    sqlite3_stmt *prepared[COUNT];
    uint64_t end;               /* of the step; ns */
    int rows;
};

static int prepare(struct pruning *pruning)
{
    int status = SQLITE_OK;

    for (int i = 0; i < COUNT && status == SQLITE_OK; i++)
        status = sqlite3_prepare_v2(pruning->database, texts[i], -1,
                                    &pruning->prepared[i], NULL);
    return status;
}

static void finalize(struct pruning *pruning)
{
    for (int i = 0; i < COUNT; i++)
        sqlite3_finalize(pruning->prepared[i]);
}

static int run(struct pruning *pruning, int which, int64_t number)
{
    sqlite3_stmt *statement = pruning->prepared[which];
    int status;

    sqlite3_bind_int64(statement, 1, number);
    status = sqlite3_step(statement);
    pruning->rows += sqlite3_changes(pruning->database);
    sqlite3_reset(statement);
    return status;
}

/* ---- the packets of a job that is gone ---- */

static int select_left(struct pruning *pruning, int64_t *left)
{
    sqlite3_stmt *select = pruning->prepared[SELECT_LEFT];
    int status = sqlite3_step(select);

    *left = status == SQLITE_ROW ? sqlite3_column_int64(select, 0) : 0;
    sqlite3_reset(select);
    return status == SQLITE_ROW ? SQLITE_DONE : status;
}

/* Some of them, or the note that there were any. */
static int remove_packets(struct pruning *pruning, int64_t job)
{
    int status;

    sqlite3_bind_int64(pruning->prepared[DELETE_PACKETS], 2, CHUNK);
    status = run(pruning, DELETE_PACKETS, job);
    if (status != SQLITE_DONE || sqlite3_changes(pruning->database) > 0)
        return status;
    return run(pruning, DELETE_LEFT, job);
}

/* ---- keys ---- */

static int run_now(struct pruning *pruning, int which, int64_t number)
{
    sqlite3_bind_double(pruning->prepared[which], 2, database_now());
    return run(pruning, which, number);
}

/* Some of those whose windows are over. */
static int remove_keys(struct pruning *pruning, bool *found)
{
    int status = run_now(pruning, DELETE_SPENT, CHUNK);

    *found = status == SQLITE_DONE && sqlite3_changes(pruning->database) > 0;
    return status;
}

/* ---- jobs ---- */

static int64_t pragma(struct pruning *pruning, const char *name)
{
    char sql[64];

    snprintf(sql, sizeof sql, "PRAGMA %s", name);
    return database_integer(pruning->database, sql);
}

static bool is_too_much(struct pruning *pruning)
{
    int64_t keep = pruning->operation->excess.keep_bytes;

    return keep > 0
        && (pragma(pruning, "page_count") - pragma(pruning, "freelist_count"))
           * pragma(pruning, "page_size") > keep;
}

static int remove_job(struct pruning *pruning, int64_t job)
{
    int status = run(pruning, INSERT_LEFT, job);

    if (status == SQLITE_DONE)
        status = run_now(pruning, INSERT_SPENT, job);
    if (status == SQLITE_DONE)
        status = run(pruning, DELETE_JOB, job);
    pruning->operation->answer.count++;
    return status;
}

/* The next one that is too old or too much, if it is not spared. */
static int look_at_job(struct pruning *pruning, bool *found)
{
    const struct store_excess *excess = &pruning->operation->excess;
    struct store_place *place = &pruning->operation->answer.place;
    sqlite3_stmt *select = pruning->prepared[SELECT_EXCESS];
    bool spared = false;
    int status;

    sqlite3_bind_double(select, 1, is_too_much(pruning) ? INFINITY
                                                        : excess->before);
    sqlite3_bind_double(select, 2, place->time);
    sqlite3_bind_int64(select, 3, place->number);
    status = sqlite3_step(select);
    *found = status == SQLITE_ROW;
    if (*found) {
        *place = (struct store_place){ sqlite3_column_double(select, 0),
                                       sqlite3_column_int64(select, 1) };
        spared = excess->is_spared(excess->owner, column_string(select, 2));
        status = SQLITE_DONE;
    }
    sqlite3_reset(select);
    return *found && !spared ? remove_job(pruning, place->number) : status;
}

/* ---- space ---- */

/*
 * What is free is used first; a part of the file that is much of it is given
 * back, if this database can do that.
 */
static int give_back(struct pruning *pruning, bool *found)
{
    int64_t unused = pragma(pruning, "freelist_count"), rest;
    char sql[64];

    *found = false;
    if (unused < MOST_FREE || unused < pragma(pruning, "page_count") / 4)
        return SQLITE_DONE;
    snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)", CHUNK);
    if (sqlite3_exec(pruning->database, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite3_errcode(pruning->database);
    rest = pragma(pruning, "freelist_count");
    *found = rest < unused;
    return SQLITE_DONE;
}

/* ---- the step ---- */

static int advance(struct pruning *pruning, bool *found)
{
    int64_t left;
    int status = select_left(pruning, &left);

    *found = left > 0;
    if (status == SQLITE_DONE && *found)
        return remove_packets(pruning, left);
    if (status == SQLITE_DONE)
        status = remove_keys(pruning, found);
    if (status == SQLITE_DONE && !*found)
        status = look_at_job(pruning, found);
    if (status == SQLITE_DONE && !*found)
        status = give_back(pruning, found);
    return status;
}

int prune_step(sqlite3 *database, struct operation *operation)
{
    struct pruning pruning = { .database = database, .operation = operation,
                               .end = uv_hrtime() + STEP_TIME };
    bool found = true;
    int status = prepare(&pruning);

    operation->answer.place = operation->place;
    if (status == SQLITE_OK)
        status = SQLITE_DONE;
    while (status == SQLITE_DONE && found && pruning.rows < STEP_ROWS
           && uv_hrtime() < pruning.end)
        status = advance(&pruning, &found);
    operation->answer.complete = !found;
    finalize(&pruning);
    return status;
}
