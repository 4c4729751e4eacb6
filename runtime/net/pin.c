#include "net/pin.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#define PREFIX "sha256//"
#define HASH_SIZE 32
#define BASE64_SIZE 44          /* what 32 bytes become */

static void write_pin(char pin[PIN_SIZE], const unsigned char *hash)
{
    memcpy(pin, PREFIX, sizeof PREFIX);
    EVP_EncodeBlock((unsigned char *)pin + strlen(PREFIX), hash, HASH_SIZE);
}

bool pin_of_certificate(const X509 *certificate, char pin[PIN_SIZE])
{
    unsigned char hash[HASH_SIZE], *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    int hashed;

    if (size <= 0)
        return false;
    hashed = EVP_Digest(der, (size_t)size, hash, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    if (hashed != 1)
        return false;
    write_pin(pin, hash);
    return true;
}

/* Read and written again it must be the same: there is one way to write it. */
bool pin_is_valid(const char *pin)
{
    unsigned char bytes[HASH_SIZE + 1]; /* the padding counts as a byte */
    char again[PIN_SIZE];

    if (strlen(pin) != strlen(PREFIX) + BASE64_SIZE
        || EVP_DecodeBlock(bytes, (const unsigned char *)pin + strlen(PREFIX),
                           BASE64_SIZE) != sizeof bytes)
        return false;
    write_pin(again, bytes);
    return strcmp(again, pin) == 0;
}
