/* harp daemon */
#include "daemon/daemon.h"

#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/config_option.h"
#include "daemon/init.h"

static const char usage[] =
    "usage: harp daemon --config FILE\n"
    "       harp daemon --test --config FILE\n"
    "       harp daemon --init [--config FILE]\n"
    "\n"
    "Runs procedures on this machine for callers over TLS. FILE is Lua:\n"
    "\n"
    "  listen = \"127.0.0.1:4306\"               or \"unix:/path\", \"systemd\",\n"
    "                                          \"systemd:NAME\", or a list\n"
    "  certificate = \"/etc/harp/daemon.crt\"    PEM, the chain behind it\n"
    "  key = \"/etc/harp/daemon.key\"\n"
    "  client_ca = \"/path\"                     callers show a certificate of it\n"
    "  tls = \"legacy\"                          TLS 1.0 and 1.1, too, as stock\n"
    "                                          dispatchers have; default 1.2\n"
    "  password_file = \"/etc/harp/passwd\"      lines of user:$6$salt$hash; read\n"
    "                                          again when it has changed\n"
    "  users = { name = \"password or hash\" }\n"
    "  procedures = { \"/etc/harp/procedures.lua\", \"/etc/harp/procedures.d\" }\n"
    "                                          of a directory, all *.lua\n"
    "  max_children = 100                      calls at once; one more is told\n"
    "                                          too_many_calls\n"
    "  max_unauthenticated = 100               callers of one address that have\n"
    "                                          not said who they are; four\n"
    "                                          times that in all; more wait\n"
    "  request_timeout = 10                    seconds for TLS and the request\n"
    "  auth_delay = 1                          seconds that the answer to a\n"
    "                                          wrong password takes; doubled\n"
    "                                          by each of an address, to 10\n"
    "  grace = 2                               seconds for a call that is ended\n"
    "                                          before it is killed\n"
    "  log = \"text\"  log_level = \"info\"  log_time = false    as harp dispatcher\n"
    "                                          has them\n"
    "\n"
    "SIGHUP reads the file again, and all that it names; when anything is wrong\n"
    "with it, the old settings stay. Only `listen` needs a restart. SIGTERM ends\n"
    "the calls, whose callers are told, and then the daemon.\n"
    "\n"
    "As root it reads nothing that anybody may write, nor a key that anybody may\n"
    "read.\n"
    "\n"
    "  --test    reads and loads all, says whether it is good, and ends\n"
    "  --init    makes a key and a certificate where there are none, and says\n"
    "            what a dispatcher has to know of this daemon\n";

static int fail(const struct harp_error *error)
{
    log_warn("%s", error->message);
    return 1;
}

static int serve(const char *config)
{
    struct harp_error error;
    struct daemon *daemon = daemon_new(config, &error);

    if (!daemon)
        return fail(&error);
    daemon_run(daemon);
    daemon_free(daemon);
    return 0;
}

static int test(const char *config)
{
    struct harp_error error;

    if (daemon_test(config, &error) != 0)
        return fail(&error);
    printf("%s is good\n", config);
    return 0;
}

static int init(const char *config)
{
    struct harp_error error;

    return daemon_init(config, &error) == 0 ? 0 : fail(&error);
}

int cli_daemon(int argc, char **argv)
{
    static const struct config_action actions[] = {
        { "test", true, test }, { "init", false, init }, { NULL, false, NULL }
    };
    struct config_option option;
    int status = config_option(argc, argv, usage, actions, &option);

    if (status >= 0)
        return status;
    log_name("harp daemon");
    return option.action ? option.action->run(option.file)
                         : serve(option.file);
}
