/* What clients may cost: the setting `limits`, a table of numbers. */
#ifndef HARP_DISPATCHER_LIMITS_H
#define HARP_DISPATCHER_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct config;
struct harp_error;

struct limits {
    size_t request;             /* bytes of one (protocol §1) */
    size_t nesting;             /* levels of arrays and objects in one */
    size_t connections;         /* SIZE_MAX: as many as descriptors allow */
    size_t in_flight;           /* requests with a tag of one connection */
    uint64_t idle;              /* ms for a connection's first request */
};

/* Complaints go to the configuration. */
void limits_read(struct limits *limits, struct config *config);

/* Errors ("invalid_request") for a request that goes beyond them. */
int limits_check_nesting(const struct limits *limits, struct text line,
                         struct harp_error *error);
int limits_too_long(const struct limits *limits, struct harp_error *error);

#endif
