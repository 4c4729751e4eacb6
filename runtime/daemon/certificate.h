/* A daemon's certificate: made when there is none, and known by its pin. */
#ifndef HARP_DAEMON_CERTIFICATE_H
#define HARP_DAEMON_CERTIFICATE_H

#include "net/pin.h"

struct harp_error;

/*
 * Makes a P-256 key (mode 0600) and a self-signed certificate for `name`,
 * localhost and the loopback addresses, good for ten years.
 */
int certificate_create(const char *certificate_path, const char *key_path,
                       const char *name, struct harp_error *error);

int certificate_pin(const char *certificate_path, char pin[PIN_SIZE],
                    struct harp_error *error);

#endif
