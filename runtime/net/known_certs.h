/*
 * A file of certificates that are accepted as they are, as stock has it: the
 * peer shows one of them, or is refused. Neither names nor dates count.
 */
#ifndef HARP_NET_KNOWN_CERTS_H
#define HARP_NET_KNOWN_CERTS_H

#include <stdbool.h>

#define FINGERPRINT_SIZE 32     /* of a SHA-256 */

struct harp_error;
struct x509_st;                 /* OpenSSL's X509 */

/* false when it cannot be told. */
bool known_certs_fingerprint(const struct x509_st *certificate,
                             unsigned char fingerprint[FINGERPRINT_SIZE]);

/*
 * 0 when the file (PEM, read anew each time) has the certificate; else -1
 * and an error of type "certificate".
 */
int known_certs_check(const char *path,
                      const unsigned char fingerprint[FINGERPRINT_SIZE],
                      struct harp_error *error);

#endif
