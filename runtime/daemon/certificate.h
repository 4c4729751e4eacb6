/* A daemon's certificate: made when there is none, and known by its pin. */
#ifndef HARP_DAEMON_CERTIFICATE_H
#define HARP_DAEMON_CERTIFICATE_H

struct harp_error;

/*
 * Makes a P-256 key (mode 0600) and a self-signed certificate for `name`,
 * localhost and the loopback addresses, good for ten years.
 */
int certificate_create(const char *certificate_path, const char *key_path,
                       const char *name, struct harp_error *error);

/*
 * "sha256//" and the base64 of the SHA-256 of the public key
 * (SubjectPublicKeyInfo), as `pin` options and libcurl have it.
 */
int certificate_pin(const char *certificate_path, char pin[64],
                    struct harp_error *error);

#endif
