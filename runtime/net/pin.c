#include "net/pin.h"

#include <ctype.h>
#include <string.h>

#include "net/openssl.h"

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

/* 32 bytes: 43 digits, of which the last has two bits to spare, and padding. */
bool pin_is_valid(const char *pin)
{
    static const char last[] = "AEIMQUYcgkosw048";
    const char *digits = pin + strlen(PREFIX);

    if (strncmp(pin, PREFIX, strlen(PREFIX)) != 0
        || strlen(digits) != BASE64_SIZE || digits[BASE64_SIZE - 1] != '='
        || !strchr(last, digits[BASE64_SIZE - 2]))
        return false;
    for (int i = 0; i < BASE64_SIZE - 1; i++)
        if (!isalnum((unsigned char)digits[i]) && digits[i] != '+'
            && digits[i] != '/')
            return false;
    return true;
}
