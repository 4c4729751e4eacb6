#include "dispatcher/host.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "host/config.h"
#include "net/pin.h"
#include "wire/json.h"

#define PORT 4306

enum setting {
    NAME, ADDRESS, PORT_NUMBER, USER, PASSWORD, TLS, CA_FILE, KNOWN_CERTS,
    PIN, VERIFY, KNOWN_HOSTS, FIRST_USE, CERT_FILE, KEY_FILE, PROXY,
    CONNECT_TIMEOUT, ACCEPT_TIMEOUT, MAX_RUNNING, SETTINGS
};

static const struct {
    const char *name;
    unsigned kinds;             /* that it may have: 1 << SCALAR_… */
    const char *wanted;
} settings[SETTINGS] = {
#define STRING 1u << SCALAR_STRING, "must be a string"
#define NUMBER 1u << SCALAR_NUMBER, "must be a number"
    [NAME] = { "hostname", STRING },
    [ADDRESS] = { "address", STRING },
    [PORT_NUMBER] = { "port", NUMBER },
    [USER] = { "user", STRING },
    [PASSWORD] = { "password", STRING },
    [TLS] = { "tls", 1u << SCALAR_STRING | 1u << SCALAR_BOOLEAN,
              "must be true or \"legacy\"" },
    [CA_FILE] = { "ca_file", STRING },
    [KNOWN_CERTS] = { "known_certs_file", STRING },
    [PIN] = { "pin", STRING },
    [VERIFY] = { "verify", 1u << SCALAR_STRING | 1u << SCALAR_BOOLEAN,
                 "must be \"system\" or false" },
    [KNOWN_HOSTS] = { "known_hosts", STRING },
    [FIRST_USE] = { "first_use", 1u << SCALAR_BOOLEAN, "must be a boolean" },
    [CERT_FILE] = { "cert_file", STRING },
    [KEY_FILE] = { "key_file", STRING },
    [PROXY] = { "proxy", STRING },
    [CONNECT_TIMEOUT] = { "connect_timeout", NUMBER },
    [ACCEPT_TIMEOUT] = { "accept_timeout", NUMBER },
    [MAX_RUNNING] = { "max_running", NUMBER },
#undef STRING
#undef NUMBER
};

/* Strings are owned here. */
struct host_entry {
    struct scalar values[SETTINGS];
};

struct host_entry *host_entry_new(void)
{
    return memory_new(sizeof(struct host_entry));
}

static void forget(struct scalar *value)
{
    char *string = (char *)(uintptr_t)value->string;

    if (string)
        explicit_bzero(string, strlen(string));
    free(string);
    *value = (struct scalar){ .kind = SCALAR_NIL };
}

void host_entry_free(struct host_entry *entry)
{
    for (int i = 0; entry && i < SETTINGS; i++)
        forget(&entry->values[i]);
    free(entry);
}

/* ---- reading ---- */

static int refuse(struct harp_error *error, const char *setting,
                  const char *complaint)
{
    return error_set(error, USAGE_ERROR, "configuration", "%s %s", setting,
                     complaint);
}

static int set(struct host_entry *entry, const char *name,
               const struct scalar *value, struct harp_error *error)
{
    int i = 0;

    while (i < SETTINGS && strcmp(settings[i].name, name) != 0)
        i++;
    if (i == SETTINGS)
        return error_set(error, USAGE_ERROR, "configuration",
                         "nobody knows the setting %s", name);
    if (!(settings[i].kinds & 1u << value->kind))
        return refuse(error, name, settings[i].wanted);
    forget(&entry->values[i]);
    entry->values[i] = *value;
    entry->values[i].string = memory_string(value->string);
    return 0;
}

/* What is being filled, and the first thing that was wrong. */
struct reading {
    struct host_entry *entry;
    int status;
    struct harp_error *error;
};

static void set_field(void *context, const char *name,
                      const struct scalar *value)
{
    struct reading *reading = context;

    if (reading->status == 0 && strcmp(name, "hostname") == 0)
        reading->status = refuse(reading->error, name,
                                 "is the key of a host in a table");
    if (reading->status == 0)
        reading->status = set(reading->entry, name, value, reading->error);
}

int host_entry_config(struct host_entry *entry, struct config *config,
                      struct harp_error *error)
{
    struct reading reading = { entry, 0, error };

    if (config_fields(config, set_field, &reading) != 0)
        return error_set(error, USAGE_ERROR, "configuration",
                         "must be a table");
    return reading.status;
}

/* What JSON has is a scalar for the time of the call. */
static int set_json(struct reading *reading, const char *name,
                    enum json_kind kind, struct text text)
{
    struct json_member member = { .name = name, .kind = kind, .value = text };
    struct scalar value = { .kind = SCALAR_OTHER };
    char *string = NULL;
    int status = 0;

    if (kind == JSON_NULL)
        return 0;
    if (kind == JSON_STRING) {
        status = json_take_string(&string, &member, reading->error);
        value = (struct scalar){ .kind = SCALAR_STRING, .string = string };
    } else if (kind & JSON_NUMBER) {
        value = (struct scalar){ .kind = SCALAR_NUMBER,
                                 .number = json_real(text) };
    } else if (kind == JSON_BOOLEAN) {
        value = (struct scalar){ .kind = SCALAR_BOOLEAN,
                                 .boolean = text_is(text, "true") };
    }
    if (status == 0)
        status = set(reading->entry, name, &value, reading->error);
    if (string)
        explicit_bzero(string, strlen(string));
    free(string);
    return status;
}

static int set_member(void *context, struct text name, enum json_kind kind,
                      struct text text)
{
    struct reading *reading = context;
    char *key = text_copy(name);

    if (strcmp(key, "credentials") == 0 && kind == JSON_OBJECT)
        reading->status = json_each(text, set_member, reading,
                                    reading->error);
    else
        reading->status = set_json(reading, key, kind, text);
    free(key);
    return reading->status == 0;
}

int host_entry_json(struct host_entry *entry, struct text line,
                    struct harp_error *error)
{
    struct reading reading = { entry, 0, error };

    return json_each(line, set_member, &reading, error);
}

void host_entry_default(struct host_entry *entry, const char *name,
                        double number)
{
    struct scalar value = { .kind = SCALAR_NUMBER, .number = number };
    struct harp_error error;

    for (int i = 0; i < SETTINGS; i++)
        if (strcmp(settings[i].name, name) == 0
            && entry->values[i].kind == SCALAR_NIL)
            set(entry, name, &value, &error);
}

/* ---- making a host of it ---- */

/* An entry, and what it leaves to the defaults. */
struct source {
    const struct host_entry *entry;
    const struct host_entry *defaults;
};

static const struct scalar *get(const struct source *source,
                                enum setting setting)
{
    const struct scalar *value = &source->entry->values[setting];

    return value->kind == SCALAR_NIL && source->defaults
         ? &source->defaults->values[setting] : value;
}

static const char *get_string(const struct source *source,
                              enum setting setting)
{
    return get(source, setting)->string;
}

/* 0 when it is not said. */
static int get_seconds(const struct source *source, enum setting setting,
                       double *seconds, struct harp_error *error)
{
    const struct scalar *value = get(source, setting);

    *seconds = value->number;
    if (value->kind != SCALAR_NIL
        && !(value->number > 0 && value->number < 1e9))
        return refuse(error, settings[setting].name,
                      "must be seconds above 0");
    return 0;
}

static const enum setting trusts[] = { CA_FILE, KNOWN_CERTS, PIN, VERIFY,
                                       KNOWN_HOSTS, FIRST_USE };
#define TRUSTS (sizeof trusts / sizeof *trusts)

static bool is_said(const struct host_entry *entry, enum setting setting)
{
    const struct scalar *value = &entry->values[setting];

    return value->kind != SCALAR_NIL
        && !(value->kind == SCALAR_BOOLEAN
             && value->boolean == (setting == VERIFY));
}

/* Several ways of trust would leave in doubt which of them counts. */
static int check_trust(const struct host_entry *entry,
                       struct harp_error *error)
{
    const char *first = NULL;

    for (size_t i = 0; i < TRUSTS; i++) {
        const char *name = settings[trusts[i]].name;

        if (!is_said(entry, trusts[i]))
            continue;
        if (first && !(trusts[i] == FIRST_USE
                       && is_said(entry, KNOWN_HOSTS)
                       && strcmp(first, "known_hosts") == 0))
            return error_set(error, USAGE_ERROR, "configuration",
                             "%s and %s exclude each other", first, name);
        first = first ? first : name;
    }
    return 0;
}

static bool says_trust(const struct host_entry *entry)
{
    for (size_t i = 0; i < TRUSTS; i++)
        if (entry->values[trusts[i]].kind != SCALAR_NIL)
            return true;
    return false;
}

/* An entry that says how to trust says all of it. */
static int make_trust(struct endpoint *endpoint, const struct source *source,
                      struct harp_error *error)
{
    const struct host_entry *entry = source->defaults
                                     && !says_trust(source->entry)
                                   ? source->defaults : source->entry;
    const struct scalar *verify = &entry->values[VERIFY];
    const char *pin = entry->values[PIN].string;

    if (check_trust(entry, error) != 0)
        return -1;
    if (verify->kind == SCALAR_STRING && strcmp(verify->string, "system") != 0)
        return refuse(error, "verify", settings[VERIFY].wanted);
    if (pin && !pin_is_valid(pin))
        return refuse(error, "pin", "must be \"sha256//\" and 44 characters "
                      "of base64");
    endpoint->insecure = verify->kind == SCALAR_BOOLEAN && !verify->boolean;
    endpoint->ca_file = memory_string(entry->values[CA_FILE].string);
    endpoint->known_certs = memory_string(entry->values[KNOWN_CERTS].string);
    endpoint->pin = memory_string(pin);
    endpoint->known_hosts = memory_string(entry->values[KNOWN_HOSTS].string);
    endpoint->first_use = endpoint->known_hosts
                       || entry->values[FIRST_USE].boolean;
    return 0;
}

static int make_tls(struct endpoint *endpoint, const struct source *source,
                    struct harp_error *error)
{
    const struct scalar *tls = get(source, TLS);

    endpoint->tls = true;
    endpoint->legacy = tls->kind == SCALAR_STRING
                    && strcmp(tls->string, "legacy") == 0;
    if (tls->kind != SCALAR_NIL && !endpoint->legacy && !tls->boolean)
        return refuse(error, "tls", settings[TLS].wanted);
    endpoint->cert_file = memory_string(get_string(source, CERT_FILE));
    endpoint->key_file = memory_string(get_string(source, KEY_FILE));
    if (endpoint->key_file && !endpoint->cert_file)
        return refuse(error, "key_file", "is of no use without cert_file");
    return make_trust(endpoint, source, error);
}

static int make_proxy(struct endpoint *endpoint, const struct source *source,
                      struct harp_error *error)
{
    const char *proxy = get_string(source, PROXY);

    if (proxy && endpoint->path)
        return refuse(error, "proxy", "is not for a unix socket");
    return proxy ? proxy_parse(&endpoint->proxy, proxy, error) : 0;
}

static int make_address(struct endpoint *endpoint,
                        const struct source *source, const char *name,
                        struct harp_error *error)
{
    const char *address = get_string(source, ADDRESS);
    const struct scalar *port = get(source, PORT_NUMBER);
    double number = port->kind == SCALAR_NIL ? PORT : port->number;

    address = address ? address : name;
    if (!(number >= 1 && number <= 65535))
        return refuse(error, "the port", "is not 1…65535");
    if (!json_is_utf8(text_of(name)) || !json_is_utf8(text_of(address)))
        return refuse(error, "the name or address", "is not UTF-8");
    return endpoint_parse(endpoint, address, (int)number, error);
}

static int make_limits(struct host *host, const struct source *source,
                       struct harp_error *error)
{
    const struct scalar *most = get(source, MAX_RUNNING);

    if (most->kind != SCALAR_NIL && !(most->number >= 1
                                      && most->number < 1e9))
        return refuse(error, "max_running", "must be at least 1");
    host->max_running = (size_t)most->number;
    return get_seconds(source, CONNECT_TIMEOUT,
                       &host->endpoint.connect_timeout, error) != 0
        || get_seconds(source, ACCEPT_TIMEOUT, &host->accept_timeout,
                       error) != 0 ? -1 : 0;
}

static int make(struct host *host, const struct source *source,
                struct harp_error *error)
{
    const char *user = get_string(source, USER);
    const char *password = get_string(source, PASSWORD);

    if (!user || !password)
        return refuse(error, "a host", "needs a user and a password");
    if (!json_is_utf8(text_of(user)) || !json_is_utf8(text_of(password)))
        return refuse(error, "the user or password", "is not UTF-8");
    host->user = memory_string(user);
    host->password = memory_string(password);
    return make_address(&host->endpoint, source, host->name, error) != 0
        || make_proxy(&host->endpoint, source, error) != 0
        || make_tls(&host->endpoint, source, error) != 0
        || make_limits(host, source, error) != 0 ? -1 : 0;
}

int host_make(struct host *host, const char *name,
              const struct host_entry *entry,
              const struct host_entry *defaults, struct harp_error *error)
{
    struct source source = { entry, defaults };

    name = name ? name : entry->values[NAME].string;
    if (!name || !*name)
        return refuse(error, "a host", "needs a hostname");
    host->name = memory_string(name);
    if (make(host, &source, error) == 0)
        return 0;
    host_free(host);
    return -1;
}

int host_entry_check(const struct host_entry *entry, struct harp_error *error)
{
    struct source source = { entry, NULL };
    struct host host = { 0 };
    int status = make_address(&host.endpoint, &source, "localhost",
                              error) != 0
              || make_proxy(&host.endpoint, &source, error) != 0
              || make_tls(&host.endpoint, &source, error) != 0
              || make_limits(&host, &source, error) != 0 ? -1 : 0;

    host_free(&host);
    return status;
}

void host_free(struct host *host)
{
    if (host->password)
        explicit_bzero(host->password, strlen(host->password));
    free(host->name);
    free(host->user);
    free(host->password);
    endpoint_free(&host->endpoint);
    *host = (struct host){ 0 };
}
