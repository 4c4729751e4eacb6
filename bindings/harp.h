/*
 * The `harp` module: what of it is C. Its objects (caller, host, job, server)
 * are Lua, in scripts/harp/, and use the functions that are opened here.
 */
#ifndef HARP_BINDINGS_HARP_H
#define HARP_BINDINGS_HARP_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "client/patience.h"

struct caller;
struct endpoint;
struct harp_error;
struct request;

/* [-0, +1, v] the entry of `require "harp"`. */
__attribute__((visibility("default"))) int luaopen_harp(lua_State *L);

/* [-0, +1, v] that of `require "harp.batch"`, for who begins with it. */
__attribute__((visibility("default"))) int luaopen_harp_batch(lua_State *L);

/* Both by their names, for a new state. */
extern const luaL_Reg harp_modules[];

/* [-0, +0, m] each adds its functions to the table on top of the stack. */
void json_open(lua_State *L);           /* encode decode array named null */
void digest_open(lua_State *L);         /* digest */
void endpoint_open(lua_State *L);       /* endpoint is_pin */
void caller_open(lua_State *L);         /* caller */
void exchange_open(lua_State *L);       /* request call */
void tasks_open(lua_State *L);          /* spawn sleep run event alarm … */
void exec_open(lua_State *L);           /* exec environment */
void files_open(lua_State *L);          /* state_path list_directory … */
void journal_open(lua_State *L);        /* journal is_held */
void interrupts_open(lua_State *L);     /* interrupts */
void editor_open(lua_State *L);         /* editor terminal has_colours */
void history_open(lua_State *L);        /* history_read history_append */
void status_open(lua_State *L);         /* status */
void trace_open(lua_State *L);          /* trace names_secret */

/*
 * [-0, +0, v] the JSON text of a value, valid until the next call; raises a
 * UsageError that says where in the value is what JSON cannot carry. `name`
 * is what the value is called in it.
 */
struct text json_encode(lua_State *L, int index, const char *name);

/* [-0, +1, m] pushes the value of a text; -1 and nothing pushed on error. */
int json_decode(lua_State *L, struct text text, struct harp_error *error);

/* [-0, +0, v] the endpoint at the index, which must be one. */
const struct endpoint *endpoint_check(lua_State *L, int index);

/* [-0, +0, v] the dispatcher at the index, which must be one. */
struct caller *caller_check(lua_State *L, int index);

/*
 * [-0, +?, v] a request from the table at index 2, by the operation's name.
 * It points to strings of the table, or of the stack, which grows.
 */
void request_check(lua_State *L, const char *operation,
                   struct request *request);

/* [-0, +0, v] reply_timeout and idle_timeout of the table at index 2. */
struct patience patience_check(lua_State *L);

/* Addresses and secrets of the stack that --local started; in bindings/harp.c. */
struct local_stack {
    const char *caller;         /* "unix:/…" */
    const char *server;         /* "127.0.0.1:port" */
    const char *user;
    const char *password;
    const char *pin;
};

/* [-0, +0, m] makes `require "harp"` in this state prefer the stack. */
void harp_use_local(lua_State *L, const struct local_stack *local);

#endif
