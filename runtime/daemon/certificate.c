#include "daemon/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "net/openssl.h"

#define LIFETIME (3650L * 24 * 3600)    /* seconds */

static int failed(struct harp_error *error, const char *what,
                  const char *path)
{
    return error_set(error, USAGE_ERROR, "certificate", "cannot %s %s: %s",
                     what, path, errno ? strerror(errno) : "OpenSSL refused");
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool added;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    added = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *name)
{
    char *names = memory_format("DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1",
                                name);
    X509_NAME *subject = X509_get_subject_name(certificate);
    uint64_t serial = 1;
    bool filled;

    RAND_bytes((unsigned char *)&serial, sizeof serial);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), LIFETIME);
    X509_set_pubkey(certificate, key);
    filled = X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                        (const unsigned char *)name, -1, -1, 0)
          && X509_set_issuer_name(certificate, subject)
          && add_extension(certificate, NID_subject_alt_name, names)
          && add_extension(certificate, NID_basic_constraints,
                           "critical,CA:TRUE")
          && X509_sign(certificate, key, EVP_sha256()) > 0;
    free(names);
    return filled;
}

/* What is there in part would be in the way of the next try. */
static int finish(FILE *file, bool written, const char *path,
                  struct harp_error *error)
{
    if (fclose(file) == 0 && written)
        return 0;
    failed(error, "write", path);
    unlink(path);
    return -1;
}

static FILE *create_file(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    return fd < 0 ? NULL : fdopen(fd, "w");
}

static int write_key(EVP_PKEY *key, const char *path,
                     struct harp_error *error)
{
    FILE *file = create_file(path, 0600);

    if (!file)
        return failed(error, "make", path);
    return finish(file, PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL,
                                             NULL) == 1, path, error);
}

static int write_certificate(X509 *certificate, const char *path,
                             struct harp_error *error)
{
    FILE *file = create_file(path, 0644);

    if (!file)
        return failed(error, "make", path);
    return finish(file, PEM_write_X509(file, certificate) == 1, path, error);
}

int certificate_create(const char *certificate_path, const char *key_path,
                       const char *name, struct harp_error *error)
{
    EVP_PKEY *key;
    X509 *certificate;
    int status = -1;

    if (openssl_load(error) != 0)
        return -1;
    key = EVP_EC_gen("P-256");
    certificate = X509_new();
    errno = 0;
    if (!key || !certificate || !fill(certificate, key, name))
        failed(error, "make a certificate for", name);
    else if (write_key(key, key_path, error) == 0) {
        status = write_certificate(certificate, certificate_path, error);
        if (status != 0)
            unlink(key_path);   /* of no use without it */
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return status;
}

static X509 *read_certificate(const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate;

    if (!file)
        return NULL;
    certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    return certificate;
}

int certificate_pin(const char *certificate_path, char pin[PIN_SIZE],
                    struct harp_error *error)
{
    X509 *certificate;
    bool told;

    if (openssl_load(error) != 0)
        return -1;
    errno = 0;
    certificate = read_certificate(certificate_path);
    told = certificate && pin_of_certificate(certificate, pin);
    X509_free(certificate);
    return told ? 0 : failed(error, "read the certificate", certificate_path);
}
