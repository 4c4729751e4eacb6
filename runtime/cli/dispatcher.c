/* harp dispatcher */
#include "dispatcher/dispatcher.h"

#include <stddef.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/config_option.h"

int cli_dispatcher(int argc, char **argv)
{
    struct harp_error error;
    struct dispatcher *dispatcher;
    struct config_option option;
    int status = config_option(argc, argv, NULL, &option);

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
