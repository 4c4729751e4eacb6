/*
 * A pin tells a peer by its public key: "sha256//" and the base64 of the
 * SHA-256 of the SubjectPublicKeyInfo, as libcurl and many tools have it.
 */
#ifndef HARP_NET_PIN_H
#define HARP_NET_PIN_H

#include <stdbool.h>

#define PIN_SIZE 64             /* room for one, with its NUL */

struct x509_st;                 /* OpenSSL's X509 */

/* false when the certificate has no key that could be told. */
bool pin_of_certificate(const struct x509_st *certificate,
                        char pin[PIN_SIZE]);

bool pin_is_valid(const char *pin);

#endif
