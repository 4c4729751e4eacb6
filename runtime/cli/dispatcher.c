/* harp dispatcher */
#include "dispatcher/dispatcher.h"

#include <stddef.h>

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
    "  connect_timeout = 10                    seconds to reach a daemon, and\n"
    "  accept_timeout = 60                     for it to take a call\n"
    "  max_answer = 268435456                  bytes of a result or a packet\n"
    "  max_running = 1000                      calls at once in all, and of\n"
    "  max_running_per_host = 100              one host (its max_children); the\n"
    "                                          others wait, hosts and queues\n"
    "                                          in turn\n"
    "  job_bytes = 2^30                        of a job's packets and outcome\n"
    "  keep_for = 0                            seconds since a job's end, and\n"
    "  keep_bytes = 0                          bytes in the database, before\n"
    "                                          old jobs go; 0: never\n"
    "  grace = 5                               seconds for calls that run, once\n"
    "                                          it is told to stop\n"
    "  log = \"text\"                            or \"json\"\n"
    "  log_level = \"info\"                      or \"debug\", with the arguments\n"
    "                                          of calls; or \"warning\"\n"
    "  log_time = false                        times in the log\n"
    "  hosts = {\n"
    "    web01 = { address = \"10.0.0.1\", port = 4306, user = \"u\",\n"
    "              password = \"p\", ca_file = \"/path\" },\n"
    "  }\n"
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
    "reads hosts, limits, times, users and certificates again.\n"
    "\n"
    "A host may also have:\n"
    "\n"
    "  pin = \"sha256//…\"                       instead of ca_file: its key,\n"
    "  known_certs_file = \"/path\"              certificates that will do,\n"
    "  known_hosts = \"/path\"                   keys, each noted at first use\n"
    "  first_use = true                        (the same, in the user's file),\n"
    "  verify = false                          nothing; without any of these\n"
    "                                          the system's authorities count\n"
    "  tls = \"legacy\"                          TLS 1.0, as stock daemons have\n"
    "  cert_file = \"/path\"  key_file = \"/path\"  what we show\n"
    "  proxy = \"socks5h://user:password@gate:1080\"   or socks5, socks4a, http\n"
    "  connect_timeout, accept_timeout, max_running\n"
    "\n"
    "host_defaults = { … } has what hosts do not say themselves. hosts may be a\n"
    "function, which gets a name and returns such a table or nil. A program may\n"
    "print hosts, a line of JSON each, {\"hostname\",\"address\",\"port\",\n"
    "\"credentials\":{\"user\",\"password\"}} and more of the above:\n"
    "\n"
    "  hosts_command = { \"/path\", \"argument\" }  no shell\n"
    "  hosts_refresh = 300                     seconds to the next run; 0: none\n"
    "  hosts_timeout = 60                      seconds that it may take\n";

int cli_dispatcher(int argc, char **argv)
{
    struct harp_error error;
    struct dispatcher *dispatcher;
    struct config_option option;
    int status = config_option(argc, argv, usage, NULL, &option);

    if (status >= 0)
        return status;
    log_name("harp dispatcher");
    dispatcher = dispatcher_new(option.file, &error);
    if (dispatcher)
        status = dispatcher_run(dispatcher, &error);
    if (!dispatcher || status != 0)
        log_warn("%s", error.message);
    if (dispatcher)
        dispatcher_free(dispatcher);
    return dispatcher && status == 0 ? 0 : 1;
}
