#include "daemon/settings.h"

#include "base/error.h"
#include "daemon/listeners.h"
#include "daemon/procedures.h"
#include "daemon/slots.h"
#include "daemon/sources.h"
#include "daemon/trust.h"
#include "host/config.h"
#include "host/config_users.h"
#include "host/log_settings.h"
#include "net/tls.h"
#include "net/users.h"

#define CHILDREN 100
#define UNAUTHENTICATED 100
#define REQUEST_TIMEOUT 10.0    /* seconds, as stock has it (protocol §2) */
#define AUTH_DELAY 1.0          /* seconds */
#define GRACE 2.0               /* seconds */

/* ---- numbers ---- */

static void read_numbers(struct daemon_settings *settings,
                         struct config *config)
{
    settings->most_children = (size_t)config_between(
        config, "max_children", 1, MOST_CHILDREN, CHILDREN);
    settings->most_unauthenticated = (size_t)config_between(
        config, "max_unauthenticated", 1, MOST_UNAUTHENTICATED,
        UNAUTHENTICATED);
    settings->context.request_timeout = config_between(
        config, "request_timeout", 0.1, 3600, REQUEST_TIMEOUT);
    settings->auth_delay = config_between(config, "auth_delay", 0, 60,
                                          AUTH_DELAY);
    settings->context.grace = config_between(config, "grace", 0, 3600, GRACE);
    settings->lifeline = config_boolean(config, "lifeline", false);
}

/* ---- TLS ---- */

/* tls = "legacy"; there is no daemon without TLS. */
static bool read_legacy(struct config *config)
{
    const char *tls = config_string(config, "tls", "");

    if (*tls && strcmp(tls, "legacy") != 0)
        config_complain(config, "tls", "can be \"legacy\" or left out");
    return *tls != '\0';
}

/* Names of files, as long as the configuration lives. */
struct files {
    const char *certificate;
    const char *key;
    const char *client_ca;      /* NULL when callers show none */
};

static struct files read_files(struct config *config)
{
    return (struct files){
        config_string(config, "certificate", DAEMON_CERTIFICATE),
        config_string(config, "key", DAEMON_KEY),
        config_string(config, "client_ca", NULL),
    };
}

static int open_tls(struct daemon_settings *settings,
                    const struct files *files, struct harp_error *error)
{
    if (trust_file(files->key, true, error) != 0
        || trust_file(files->certificate, false, error) != 0
        || (files->client_ca && trust_file(files->client_ca, false, error)
                                != 0))
        return -1;
    settings->context.tls = tls_open(files->certificate, files->key,
                                     files->client_ca, settings->legacy,
                                     error);
    return settings->context.tls ? 0 : -1;
}

/* ---- who may call what ---- */

static void read_users(struct daemon_settings *settings,
                       struct config *config)
{
    const char *path = config_string(config, "password_file", NULL);
    struct harp_error error;

    if (path && trust_file(path, false, &error) != 0)
        config_complain(config, "password_file", error.message);
    else
        config_users(config, settings->context.users);
}

static void check_source(struct config *config, const char *key,
                         void *context)
{
    size_t *count = context;

    ++*count;
    if (key || !config_value(config))
        config_complain(config, "procedures",
                        "must be a list of files and of directories");
}

struct loading {
    struct procedures *procedures;
    struct harp_error *error;
    int status;                 /* nothing is loaded after a -1 */
};

static void load_source(struct config *config, const char *key,
                        void *context)
{
    struct loading *loading = context;

    (void)key;
    if (loading->status == 0)
        loading->status = sources_load(loading->procedures,
                                       config_value(config), loading->error);
}

static int load_procedures(struct daemon_settings *settings,
                           struct config *config, struct harp_error *error)
{
    struct loading loading = { settings->context.procedures, error, 0 };

    config_each(config, "procedures", load_source, &loading);
    return loading.status;
}

/* ---- all of it ---- */

static int check(const struct daemon_settings *settings, size_t sources,
                 struct harp_error *error)
{
    if (users_count(settings->context.users) == 0)
        return error_set(error, USAGE_ERROR, "configuration", "nobody could "
                         "call: set users or password_file");
    if (sources == 0)
        return error_set(error, USAGE_ERROR, "configuration", "there is "
                         "nothing to call: set procedures to a list of files");
    return 0;
}

/* First what it says, then what that stands for is loaded. */
static int read_all(struct daemon_settings *settings, struct config *config,
                    struct harp_error *error)
{
    struct files files = read_files(config);
    size_t sources = 0;

    settings->listeners = listeners_read(config);
    read_numbers(settings, config);
    settings->legacy = read_legacy(config);
    read_users(settings, config);
    config_each(config, "procedures", check_source, &sources);
    settings->log = log_settings_read(config);
    if (config_finish(config, error) != 0
        || check(settings, sources, error) != 0
        || users_prepare(error) != 0
        || open_tls(settings, &files, error) != 0)
        return -1;
    return load_procedures(settings, config, error);
}

int daemon_settings_read(struct daemon_settings *settings, const char *path,
                         struct harp_error *error)
{
    struct config *config;
    int status;

    if (trust_file(path, false, error) != 0)
        return -1;
    config = config_load(path, error);
    if (!config)
        return -1;
    settings->context.users = users_new();
    settings->context.procedures = procedures_new();
    status = read_all(settings, config, error);
    config_free(config);
    return status;
}

void daemon_settings_free(struct daemon_settings *settings)
{
    listeners_free(settings->listeners);
    tls_close(settings->context.tls);
    users_free(settings->context.users);
    procedures_free(settings->context.procedures);
}
