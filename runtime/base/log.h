/*
 * The log: one line an event on standard error, as text ("harp dispatcher:
 * submitted job=… host=web01") or as JSON. What comes from outside may be in
 * a value and nowhere else: there it is quoted, and cannot begin a line or a
 * pair of its own. No line has a password; only debug may have arguments.
 */
#ifndef HARP_BASE_LOG_H
#define HARP_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING };

void log_name(const char *name);    /* "harp dispatcher"; kept, not copied */

/*
 * How lines look, and which there are. The journal of systemd has times of
 * its own: text that goes there has none.
 */
struct log_form {
    bool json;
    enum log_level least;
    bool time;
};

void log_set(struct log_form form);

/* Is it worth while to make the values of such an event? */
bool log_has(enum log_level level);

/*
 * An event, a word or two with underscores, and pairs of a key and a value,
 * then NULL. A pair whose value is NULL is left out.
 */
void log_debug(const char *event, ...) __attribute__((sentinel));
void log_event(const char *event, ...) __attribute__((sentinel));
void log_warning(const char *event, ...) __attribute__((sentinel));

/* A message, where there is nothing to be looked for by key. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
