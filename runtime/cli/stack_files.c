#include "cli/stack_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/home.h"
#include "base/memory.h"
#include "bindings/embedded.h"
#include "cli/stack.h"
#include "daemon/certificate.h"

#define KEEP_JOBS (30 * 24 * 3600)      /* seconds after their end */

static char *path_of(const struct stack_files *files, const char *name)
{
    return memory_format("%s/%s", files->directory, name);
}

static int write_file(const struct stack_files *files, const char *name,
                      struct text text, struct harp_error *error)
{
    char *path = path_of(files, name);
    int fd, status = 0;

    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text.data, text.length) != (ssize_t)text.length)
        status = error_set(error, USAGE_ERROR, "local_stack",
                           "cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    return status;
}

char *stack_files_random_word(void)
{
    unsigned char bytes[24];
    char word[2 * sizeof bytes + 1];

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        abort();
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(word + 2 * i, 3, "%02x", bytes[i]);
    return memory_string(word);
}

/* ---- Lua ---- */

/* A string literal. */
static void quote(struct buffer *lua, const char *string)
{
    buffer_add_string(lua, "\"");
    for (; *string; string++) {
        if (strchr("\\\"\n", *string))
            buffer_add_string(lua, "\\");
        buffer_add(lua, string, 1);
    }
    buffer_add_string(lua, "\"");
}

static void set(struct buffer *lua, const char *name, const char *string)
{
    buffer_printf(lua, "%s = ", name);
    quote(lua, string);
    buffer_add_string(lua, "\n");
}

static void set_path(struct buffer *lua, const struct stack_files *files,
                     const char *name, const char *file)
{
    char *path = path_of(files, file);

    set(lua, name, path);
    free(path);
}

/* ---- procedures ---- */

/*
 * The user's own, as they are whenever the configuration is read. What is
 * there and cannot be read is for the daemon to complain about.
 */
static void add_own_procedures(struct buffer *lua)
{
    static const char *const names[] = { "procedures.lua", "procedures.d" };

    buffer_add_string(lua, "procedures = {}\nfor _, path in ipairs{ ");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = home_config(names[i]);

        if (path) {
            quote(lua, path);
            buffer_add_string(lua, ", ");
        }
        free(path);
    }
    buffer_add_string(lua,
        "} do\n"
        "  local file, _, number = io.open(path)\n"
        "  if file then file:close() end\n"
        "  if file or number ~= 2 then procedures[#procedures + 1] = path "
        "end\n"
        "end\nif not procedures[1] then procedures[1] = ");
}

static void set_procedures(struct buffer *lua, const struct stack_files *files,
                           const struct stack_options *options)
{
    char *examples = path_of(files, "example.lua");

    if (options->directory && !options->procedures_count) {
        add_own_procedures(lua);
        quote(lua, examples);
        buffer_add_string(lua, " end\n");
        free(examples);
        return;
    }
    buffer_add_string(lua, "procedures = { ");
    for (size_t i = 0; i < options->procedures_count; i++) {
        quote(lua, options->procedures[i]);
        buffer_add_string(lua, ", ");
    }
    if (options->procedures_count == 0)
        quote(lua, examples);
    buffer_add_string(lua, " }\n");
    free(examples);
}

static int write_examples(const struct stack_files *files,
                          struct harp_error *error)
{
    const struct embedded *file = embedded_find("procedures/example");

    return write_file(files, "example.lua",
                      (struct text){ file->text, file->size }, error);
}

/* ---- the daemon ---- */

/* Half of a pair is of no use, nor is what cannot be read. */
static int have_certificate(struct stack_files *files,
                            struct harp_error *error)
{
    char *certificate = path_of(files, "daemon.crt");
    char *key = path_of(files, "daemon.key");
    int status = access(key, R_OK);

    if (status == 0)
        status = certificate_pin(certificate, files->pin, error);
    if (status != 0) {
        unlink(certificate);
        unlink(key);
        status = certificate_create(certificate, key, "localhost", error);
        if (status == 0)
            status = certificate_pin(certificate, files->pin, error);
    }
    free(certificate);
    free(key);
    return status;
}

static int write_daemon_config(const struct stack_files *files,
                               const struct stack_options *options,
                               struct harp_error *error)
{
    struct buffer lua = { 0 };
    int status;

    buffer_add_string(&lua, "listen = \"127.0.0.1:0\"\n"
                            "lifeline = true\nmax_children = 1000\n"
                            "max_unauthenticated = 1000\n");
    if (options->directory)
        buffer_add_string(&lua, "log_time = true\n");
    set_path(&lua, files, "certificate", "daemon.crt");
    set_path(&lua, files, "key", "daemon.key");
    buffer_printf(&lua, "users = { [\"%s\"] = \"%s\" }\n", files->user,
                  files->password);
    set_procedures(&lua, files, options);
    status = write_file(files, "daemon.lua", buffer_text(&lua), error);
    buffer_wipe(&lua);
    return status;
}

int stack_files_for_daemon(struct stack_files *files,
                           const struct stack_options *options,
                           struct harp_error *error)
{
    if (have_certificate(files, error) != 0
        || write_examples(files, error) != 0)
        return -1;
    return write_daemon_config(files, options, error);
}

/* ---- the dispatcher ---- */

/* All of them are the one daemon; `names` have commas between. */
static void add_hosts(struct buffer *lua, const struct stack_files *files,
                      const char *names, const char *daemon)
{
    buffer_printf(lua, "local daemon = { address = \"127.0.0.1\", port = %s, "
                  "user = \"%s\", password = \"%s\", pin = \"%s\" }\n",
                  strrchr(daemon, ':') + 1, files->user, files->password,
                  files->pin);
    buffer_add_string(lua, "hosts = { localhost = daemon }\n"
                           "for name in (");
    quote(lua, names ? names : "");
    buffer_add_string(lua, "):gmatch \"[^,]+\" do hosts[name] = daemon end\n");
}

int stack_files_for_dispatcher(const struct stack_files *files,
                               const struct stack_options *options,
                               const char *daemon, struct harp_error *error)
{
    struct buffer lua = { 0 };
    char *address = memory_format("unix:%s", files->socket);
    int status;

    set(&lua, "listen", address);
    set_path(&lua, files, "database", "dispatcher.db");
    buffer_printf(&lua, "lifeline = true\n"
                        "max_running_per_host = 1000\n"
                        "keep_for = %d\n", KEEP_JOBS);
    if (options->directory)
        buffer_add_string(&lua, "log_time = true\n");
    add_hosts(&lua, files, options->host_names, daemon);
    status = write_file(files, "dispatcher.lua", buffer_text(&lua), error);
    buffer_wipe(&lua);
    free(address);
    return status;
}

void stack_files_free(struct stack_files *files)
{
    free(files->directory);
    free(files->socket);
    free(files->user);
    free(files->password);
    *files = (struct stack_files){ 0 };
}
