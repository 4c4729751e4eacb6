/* harp daemon */
#include "daemon/daemon.h"

#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/config_option.h"
#include "daemon/init.h"

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
    int status = config_option(argc, argv, actions, &option);

    if (status >= 0)
        return status;
    log_name("harp daemon");
    return option.action ? option.action->run(option.file)
                         : serve(option.file);
}
