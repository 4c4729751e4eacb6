/*
 * The log: one line an event on standard error, "harp NAME: message". It
 * never carries a password or a call's arguments.
 */
#ifndef HARP_BASE_LOG_H
#define HARP_BASE_LOG_H

void log_name(const char *name);    /* "dispatcher", "daemon"; kept, not copied */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
