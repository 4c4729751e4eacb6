#include "dispatcher/limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "host/config.h"
#include "wire/json.h"

#define MIB (1 << 20)

static void read_limits(struct config *config, void *context)
{
    struct limits *limits = context;

    limits->request = (size_t)config_between(config, "request", 1024,
                                             256.0 * MIB, MIB);
    limits->nesting = (size_t)config_between(config, "nesting", 4,
                                             JSON_MAX_DEPTH, JSON_MAX_DEPTH);
    limits->connections = (size_t)config_between(config, "connections", 1,
                                                 1e9, 1e9);
    limits->in_flight = (size_t)config_between(config, "in_flight", 1, 1e9,
                                               1e5);
    limits->idle = (uint64_t)(config_between(config, "idle", 0.01, 1e9, 60)
                              * 1e3);
}

void limits_read(struct limits *limits, struct config *config)
{
    *limits = (struct limits){
        .request = MIB, .nesting = JSON_MAX_DEPTH, .connections = SIZE_MAX,
        .in_flight = 100000, .idle = 60000,
    };
    config_inside(config, "limits", read_limits, limits);
}

int limits_check_nesting(const struct limits *limits, struct text line,
                         struct harp_error *error)
{
    if (limits->nesting >= JSON_MAX_DEPTH
        || json_depth(line) <= limits->nesting)
        return 0;
    return error_set(error, REMOTE_ERROR, "invalid_request", "the request is "
                     "nested more than %zu levels deep", limits->nesting);
}

int limits_too_long(const struct limits *limits, struct harp_error *error)
{
    bool even = limits->request % MIB == 0;

    return error_set(error, REMOTE_ERROR, "invalid_request",
                     "the request is longer than %zu %s",
                     even ? limits->request / MIB : limits->request,
                     even ? "MiB" : "bytes");
}
