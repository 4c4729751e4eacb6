/* harp dispatcher */
#include "dispatcher/dispatcher.h"

#include "base/error.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/config_option.h"

static const char usage[] =
    "usage: harp dispatcher --config FILE\n"
    "\n"
    "Queues calls, runs them on daemons, and keeps their results. FILE is Lua:\n"
    "\n"
    "  listen = \"127.0.0.1:3502\"               or \"unix:/path\", \"systemd\",\n"
    "                                          \"systemd:NAME\", or a list of\n"
    "                                          these and of tables: see below\n"
    "  control = \"unix:/path\"                  for whoever runs it; default\n"
    "                                          none\n"
    "  database = \"/var/lib/harp/dispatcher.db\"\n"
    "  timeout = 600    max_exec_time = 600    seconds; for calls without\n"
    "                                          limits, and at most\n"
    "  max_running = 1000                      calls at once; the others wait,\n"
    "                                          first in, first out\n"
    "  hosts = {\n"
    "    web01 = { address = \"10.0.0.1\", port = 4306, user = \"u\",\n"
    "              password = \"p\", ca_file = \"/path\" },\n"
    "  }                                       or pin = \"sha256//…\"\n"
    "  limits = { request = 2^20,              bytes of a request\n"
    "             nesting = 1000,              levels of arrays in it\n"
    "             connections = 10000,         default: what descriptors allow\n"
    "             in_flight = 100000,          requests on one connection\n"
    "             idle = 60 }                  seconds to the first request\n"
    "\n"
    "Listeners, as tables, with what holds at them:\n"
    "\n"
    "  listen = {\n"
    "    { address = \"unix:/run/harp/sock\", mode = 0660 },  default 0600\n"
    "    { address = \"0.0.0.0:3502\", tls = true,\n"
    "      certificate = \"/path\", key = \"/path\",\n"
    "      client_ca = \"/path\",              clients show a certificate of it\n"
    "      users = { name = \"password\" },    or a crypt(3) hash; clients say\n"
    "      password_file = \"/path\" },        who they are; lines user:hash\n"
    "  }\n"
    "\n"
    "Beyond loopback it is refused to listen where anybody could call, and where\n"
    "passwords would go in the clear, unless the table has open = true. SIGHUP\n"
    "reads hosts, limits, users and certificates again.\n";

int cli_dispatcher(int argc, char **argv)
{
    struct harp_error error;
    struct dispatcher *dispatcher;
    const char *config;
    int status = config_option(argc, argv, usage, &config);

    if (!config)
        return status;
    log_name("harp dispatcher");
    dispatcher = dispatcher_new(config, &error);
    if (dispatcher)
        status = dispatcher_run(dispatcher, &error);
    if (!dispatcher || status != 0)
        log_warn("%s", error.message);
    if (dispatcher)
        dispatcher_free(dispatcher);
    return dispatcher && status == 0 ? 0 : 1;
}
