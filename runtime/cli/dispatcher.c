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
    "  listen = \"127.0.0.1:3502\"               or \"unix:/path\"\n"
    "  database = \"/var/lib/harp/dispatcher.db\"\n"
    "  timeout = 600    max_exec_time = 600    seconds; for calls without\n"
    "                                          limits, and at most\n"
    "  max_running = 1000                      calls at once; the others wait,\n"
    "                                          first in, first out\n"
    "  job_bytes = 2^30                        of a job's packets and outcome\n"
    "  keep_for = 0                            seconds since a job's end, and\n"
    "  keep_bytes = 0                          bytes in the database, before\n"
    "                                          old jobs go; 0: never\n"
    "  grace = 5                               seconds for calls that run, once\n"
    "                                          it is told to stop\n"
    "  hosts = {\n"
    "    web01 = { address = \"10.0.0.1\", port = 4306, user = \"u\",\n"
    "              password = \"p\", ca_file = \"/path\" },\n"
    "  }                                       or pin = \"sha256//…\"\n";

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
