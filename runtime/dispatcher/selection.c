#include "dispatcher/selection.h"

#include <string.h>

#include "dispatcher/columns.h"
#include "dispatcher/statements.h"
#include "wire/reply.h"
#include "wire/request.h"

#define PAGE_ROWS 1024          /* looked at, selected or not */
#define PAGE_BYTES 262144       /* selected, and more by one job at most */
#define KIND_SIZE 16            /* an outcome's beginning: {"exception": */

struct selection {
    sqlite3 *database;
    sqlite3_stmt *rows;
    struct operation *operation;
    sqlite3_blob *outcome;      /* of one of the rows; NULL before the first */
    size_t bytes;               /* selected so far */
};

/* ---- the statement ---- */

static bool is_unfinished(const struct request_filter *filter)
{
    return filter->state && strcmp(filter->state, "ended") != 0;
}

/*
 * One index brings the rows in the order that they are wanted in; whatever
 * else the filter says is looked at row by row. The database would have to
 * guess, and has not seen how many jobs a host or a queue has had.
 */
static const char *source(const struct request_filter *filter)
{
    if (is_unfinished(filter))
        return "unfinished WHERE end IS NULL";
    if (filter->queue)
        return "job_queue WHERE queue = ?4";
    if (filter->host)
        return "job_host WHERE host = ?5";
    return "job_submit WHERE true";
}

static int prepare(struct selection *selection)
{
    const struct request_filter *filter = selection->operation->filter;
    struct buffer sql = { 0 };
    int status;

    buffer_printf(&sql, "SELECT " JOB_COLUMNS ", seq FROM job INDEXED BY %s"
                  " AND (submit, seq) < (?1, ?2)%s"
                  " ORDER BY submit DESC, seq DESC", source(filter),
                  filter->since > 0 ? " AND submit >= ?3" : "");
    status = sqlite3_prepare_v2(selection->database, sql.data,
                                (int)sql.length, &selection->rows, NULL);
    buffer_free(&sql);
    return status;
}

/* Not all of them are in every statement: those do no harm. */
static void bind_filter(struct selection *selection)
{
    const struct operation *operation = selection->operation;
    const struct request_filter *filter = operation->filter;

    sqlite3_bind_double(selection->rows, 1, operation->place.time);
    sqlite3_bind_int64(selection->rows, 2, operation->place.number);
    sqlite3_bind_double(selection->rows, 3, filter->since);
    bind_text(selection->rows, 4, filter->queue);
    bind_text(selection->rows, 5, filter->host);
}

/* ---- its rows ---- */

static bool has_state(const struct reply_job *job, const char *state)
{
    return strcmp(reply_job_state(job), state) == 0;
}

static bool is_selected(const struct request_filter *filter,
                        const struct reply_job *job)
{
    const struct request *call = job->call;

    return (!filter->host || strcmp(filter->host, call->host) == 0)
        && (!filter->procedure
            || strcmp(filter->procedure, call->procedure) == 0)
        && (!filter->queue
            || (call->queue && strcmp(filter->queue, call->queue) == 0))
        && (!filter->state || has_state(job, filter->state))
        && (!filter->info || (call->info && strstr(call->info, filter->info)));
}

/*
 * The kind of an outcome is the name of its first member. A result may be
 * long, and is not to be read for that: a blob reads a part of it.
 */
static int read_kind(struct selection *selection, int64_t number,
                     char kind[KIND_SIZE])
{
    int length, status = selection->outcome
        ? sqlite3_blob_reopen(selection->outcome, number)
        : sqlite3_blob_open(selection->database, "main", "job", "outcome",
                            number, 0, &selection->outcome);

    if (status != SQLITE_OK)
        return status;
    length = sqlite3_blob_bytes(selection->outcome);
    if (length > KIND_SIZE)
        length = KIND_SIZE;
    memset(kind, 0, KIND_SIZE);
    if (length < 4)
        return SQLITE_OK;
    status = sqlite3_blob_read(selection->outcome, kind, length - 2, 2);
    kind[KIND_SIZE - 1] = '\0';
    kind[strcspn(kind, "\"")] = '\0';
    return status;
}

static int tell(struct selection *selection, struct reply_job *job,
                int64_t number)
{
    struct operation *operation = selection->operation;
    char kind[KIND_SIZE];
    int status = job->end > 0 ? read_kind(selection, number, kind)
                              : SQLITE_OK;

    if (status != SQLITE_OK)
        return status;
    job->outcome = job->end > 0 ? kind : NULL;
    operation->each_job(operation->completion.owner, job);
    operation->answer.count++;
    for (int i = 0; i < CALL_COUNT; i++)
        selection->bytes += (size_t)sqlite3_column_bytes(selection->rows, i);
    return SQLITE_OK;
}

static int look_at_row(struct selection *selection)
{
    struct operation *operation = selection->operation;
    int64_t number = sqlite3_column_int64(selection->rows, JOB_COUNT);
    struct reply_job job;
    struct request call;

    column_job(selection->rows, &job, &call);
    operation->answer.place = (struct store_place){ job.submit, number };
    return is_selected(operation->filter, &job)
        ? tell(selection, &job, number) : SQLITE_OK;
}

static bool is_page_full(const struct selection *selection, int rows)
{
    const struct operation *operation = selection->operation;

    return rows == PAGE_ROWS || selection->bytes >= PAGE_BYTES
        || operation->answer.count == operation->most;
}

static int read_rows(struct selection *selection)
{
    int status = SQLITE_OK;

    for (int rows = 0; !is_page_full(selection, rows); rows++) {
        status = sqlite3_step(selection->rows);
        if (status == SQLITE_ROW)
            status = look_at_row(selection);
        if (status != SQLITE_OK)
            break;
    }
    selection->operation->answer.complete = status == SQLITE_DONE;
    return status == SQLITE_OK ? SQLITE_DONE : status;
}

int selection_read(sqlite3 *database, struct operation *operation)
{
    struct selection selection = { .database = database,
                                   .operation = operation };
    int status = prepare(&selection);

    if (status != SQLITE_OK)
        return status;
    bind_filter(&selection);
    status = read_rows(&selection);
    sqlite3_blob_close(selection.outcome);
    sqlite3_finalize(selection.rows);
    return status;
}
