/* harp daemon */
#include "daemon/daemon.h"

#include "base/error.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/config_option.h"

static const char usage[] =
    "usage: harp daemon --config FILE\n"
    "\n"
    "Runs procedures on this machine for callers over TLS. FILE is Lua:\n"
    "\n"
    "  listen = \"127.0.0.1:4306\"\n"
    "  certificate = \"/etc/harp/daemon.crt\"    key = \"/etc/harp/daemon.key\"\n"
    "  password_file = \"/etc/harp/passwd\"      lines of user:$6$salt$hash\n"
    "  users = { name = \"password or hash\" }\n"
    "  procedures = { \"/etc/harp/procedures.lua\", … }\n"
    "  max_children = 100                      calls at once; more wait\n"
    "  log = \"text\"  log_level = \"info\"  log_time = false    as harp dispatcher\n"
    "                                          has them\n";

int cli_daemon(int argc, char **argv)
{
    struct harp_error error;
    struct daemon *daemon;
    const char *config;
    int status = config_option(argc, argv, usage, &config);

    if (!config)
        return status;
    log_name("harp daemon");
    daemon = daemon_new(config, &error);
    if (!daemon) {
        log_warn("%s", error.message);
        return 1;
    }
    daemon_run(daemon);
    daemon_free(daemon);
    return 0;
}
