#include "net/known_certs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "net/openssl.h"

bool known_certs_fingerprint(const struct x509_st *certificate,
                             unsigned char fingerprint[FINGERPRINT_SIZE])
{
    unsigned size;

    return X509_digest(certificate, EVP_sha256(), fingerprint, &size) == 1;
}

static bool is_it(const X509 *certificate,
                  const unsigned char fingerprint[FINGERPRINT_SIZE])
{
    unsigned char own[FINGERPRINT_SIZE];

    return known_certs_fingerprint(certificate, own)
        && memcmp(own, fingerprint, FINGERPRINT_SIZE) == 0;
}

/* How many certificates there were until it was found, or in all. */
static size_t find(FILE *file,
                   const unsigned char fingerprint[FINGERPRINT_SIZE],
                   bool *found)
{
    X509 *certificate;
    size_t count = 0;

    *found = false;
    while (!*found && (certificate = PEM_read_X509(file, NULL, NULL, NULL))) {
        *found = is_it(certificate, fingerprint);
        X509_free(certificate);
        count++;
    }
    while (ERR_get_error())     /* of the end of the file */
        continue;
    return count;
}

int known_certs_check(const char *path,
                      const unsigned char fingerprint[FINGERPRINT_SIZE],
                      struct harp_error *error)
{
    FILE *file = fopen(path, "re");
    size_t count;
    bool found;

    if (!file)
        return error_set(error, COMMUNICATION_ERROR, "certificate",
                         "cannot read the known certificates in %s: %s",
                         path, strerror(errno));
    count = find(file, fingerprint, &found);
    fclose(file);
    if (found)
        return 0;
    if (count == 0)
        return error_set(error, COMMUNICATION_ERROR, "certificate",
                         "no certificates in %s", path);
    return error_set(error, COMMUNICATION_ERROR, "certificate",
                     "unknown certificate: the peer's is none of the %zu "
                     "in %s", count, path);
}
