/*
 * The procedures that a daemon offers: files of Lua, loaded into one state
 * before the first call. What a registration means and how arguments are
 * matched is in scripts/harp/procedures.lua.
 */
#ifndef HARP_DAEMON_PROCEDURES_H
#define HARP_DAEMON_PROCEDURES_H

#include "wire/call.h"

struct harp_error;
struct procedures;

struct procedures *procedures_new(void);

/* Runs a file that registers procedures. */
int procedures_load(struct procedures *procedures, const char *path,
                    struct harp_error *error);

/* In the child, once it has closed what it inherited. */
void procedures_after_fork(struct procedures *procedures);

/*
 * Runs a call to its end, in a process made for it. Every answer goes to
 * `send`, the last one too; the text is valid during the call. Returns the
 * kind of the last answer.
 */
enum answer_kind procedures_call(struct procedures *procedures,
                                 const struct call *call,
                                 void (*send)(void *context,
                                              struct text line),
                                 void *context);

void procedures_free(struct procedures *procedures);

#endif
