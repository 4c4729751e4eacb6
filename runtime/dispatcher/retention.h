/*
 * How long the dispatcher keeps what it did: jobs that ended long ago, and the
 * oldest when there is too much of them, are removed, in small steps with
 * pauses. Settings: `keep_for`, seconds since the end of a job, and
 * `keep_bytes`, of the database without its free pages; 0, the default, is
 * without end. A job that has not ended is never removed, nor one that a
 * client reads.
 *
 * The dedup key of a job, with the job's id, outlives it until its window is
 * over. Keys count in `keep_bytes`, and do not give way to it. Without limits
 * there are some only after retention_prune: those whose windows are over go
 * with the next one, at a reload, or at the next start.
 */
#ifndef HARP_DISPATCHER_RETENTION_H
#define HARP_DISPATCHER_RETENTION_H

struct config;
struct parts;
struct retention;
struct store_completion;

struct retention_limits {
    double keep_for;            /* seconds */
    double keep_bytes;
};

void retention_read(struct retention_limits *limits, struct config *config);

/* The loop is there, the store need not be. The limits are parts->settings.keep. */
struct retention *retention_new(struct parts *parts);

/*
 * Looks now: at the start, which also goes on with what was begun before a
 * crash, and when the limits have changed.
 */
void retention_start(struct retention *retention);

/*
 * Removes, now, the jobs that ended more than `seconds` ago; any number of
 * calls may be under way. Of the answer, `error` (NULL, or why not all of it
 * was done) and `count` (jobs removed) mean something. The completion is
 * always called, never from here: at the end of the dispatcher, if not
 * earlier, with the error `shutdown`.
 */
void retention_prune(struct parts *parts, double seconds,
                     struct store_completion completion);

/* For the end, when the store has nothing to complete. NULL is fine. */
void retention_free(struct retention *retention);

#endif
