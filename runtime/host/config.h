/*
 * Configuration files: Lua, whose global variables are the settings. Getters
 * give a default when a setting is absent and note what was asked for, so
 * that config_finish can refuse the names that nobody knows.
 */
#ifndef HARP_HOST_CONFIG_H
#define HARP_HOST_CONFIG_H

#include <stdbool.h>

struct config;
struct harp_error;

/* Runs the file. NULL and a UsageError when it cannot be read or fails. */
struct config *config_load(const char *path, struct harp_error *error);

/*
 * The settings, by name, of the file or, inside config_each, of the entry.
 * A value of the wrong type is remembered as an error for config_finish.
 * Strings live as long as the config; NULL when absent and `otherwise` is.
 */
const char *config_string(struct config *config, const char *name,
                          const char *otherwise);
double config_number(struct config *config, const char *name,
                     double otherwise);
bool config_boolean(struct config *config, const char *name, bool otherwise);

/* A number from `least` to `most`; any other is complained about. */
double config_between(struct config *config, const char *name, double least,
                      double most, double otherwise);

/* Is it given, and a string? For settings that can be something else, too. */
bool config_is_string(struct config *config, const char *name);

/*
 * Calls `each` for every entry of a table: of the keys that are strings in
 * the order of their names, then of a list's items with `key` NULL. Inside,
 * the getters read the entry when it is a table; config_value is its text
 * when it is a string, else NULL. Nests.
 */
void config_each(struct config *config, const char *name,
                 void (*each)(struct config *config, const char *key,
                              void *context),
                 void *context);
const char *config_value(struct config *config);

/* A value of any type, as long as the config and its table live. */
enum scalar_kind { SCALAR_NIL, SCALAR_STRING, SCALAR_NUMBER, SCALAR_BOOLEAN,
                   SCALAR_OTHER };

struct scalar {
    enum scalar_kind kind;
    const char *string;
    double number;
    bool boolean;
};

/*
 * Inside config_each, config_inside or config_call: calls `each` for every
 * field of the entry, those without a name as SCALAR_OTHER. What each of them
 * is called is for `each` to judge. -1 when the entry is no table.
 */
int config_fields(struct config *config,
                  void (*each)(void *context, const char *name,
                               const struct scalar *value),
                  void *context);

/* Calls `look` for a setting that is a table, as config_each for an entry. */
void config_inside(struct config *config, const char *name,
                   void (*look)(struct config *config, void *context),
                   void *context);

/*
 * A setting may be a function: it is called with a string, at any time, and
 * `look` with what it returned, which is for config_fields. 0 when that was
 * nil, -1 and a UsageError when it failed.
 */
bool config_is_function(struct config *config, const char *name);
int config_call(struct config *config, const char *name, const char *argument,
                void (*look)(struct config *config, void *context),
                void *context, struct harp_error *error);

/* Remembers a complaint about the value of `name`; the first one is kept. */
void config_complain(struct config *config, const char *name,
                     const char *complaint);

/* -1 and a UsageError with the file's name if anything was wrong or unknown. */
int config_finish(struct config *config, struct harp_error *error);

void config_free(struct config *config);

#endif
