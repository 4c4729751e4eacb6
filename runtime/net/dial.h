/*
 * How libcurl is told to reach an endpoint, and what came of it: its options,
 * whether the peer that answered is to be trusted, and its failures as
 * errors. All of TLS, proxies and sockets that a connection does not see.
 */
#ifndef HARP_NET_DIAL_H
#define HARP_NET_DIAL_H

#include <stdbool.h>

#include "net/curl.h"
#include "net/sessions.h"

struct endpoint;
struct harp_error;

/* Embedded in what connects; at the same place as long as the handle lives. */
struct dial {
    CURL *easy;
    const struct endpoint *endpoint;
    struct identity peer;       /* as it has shown itself in the handshake */
    struct identity before;     /* …and in that of the session we offer */
    bool begun;                 /* the handshake */
    int alert;                  /* of TLS, that the peer ended it with, or 0 */
    char reason[CURL_ERROR_SIZE];   /* libcurl's */
};

/* Sets the options of the handle; the endpoint is not copied. */
void dial_prepare(struct dial *dial, CURL *easy,
                  const struct endpoint *endpoint);

/*
 * When libcurl is done: 0 if the peer may be spoken to, else -1. Nothing may
 * be sent before.
 */
int dial_finish(struct dial *dial, CURLcode result, struct harp_error *error);

/*
 * After a read that failed: was it the peer's doing, by an alert of TLS? With
 * TLS 1.3 it tells only then what it thinks of our certificate.
 */
bool dial_was_refused(const struct dial *dial, struct harp_error *error);

#endif
