#include "daemon/hello.h"

#include <stdbool.h>

#define RECORD_HEADER 5         /* type, version, length */
#define HANDSHAKE 22            /* type of the record */
#define CLIENT_HELLO 1          /* type of the message in it */
#define LONGEST 16384           /* bytes of a record */
#define TLS_1_2 0x0303          /* what newer ones call themselves here, too */

static size_t number_at(const unsigned char *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

/* As far as the bytes are there. */
static bool is_foreign(const unsigned char *head, size_t length)
{
    size_t size = length < RECORD_HEADER ? LONGEST : number_at(head + 3);

    return (length > 0 && head[0] != HANDSHAKE)
        || (length > 1 && head[1] != 3)
        || size > LONGEST || size < HELLO_HEAD - RECORD_HEADER
        || (length > RECORD_HEADER && head[RECORD_HEADER] != CLIENT_HELLO);
}

enum hello hello_judge(const unsigned char *head, size_t length,
                       size_t *need)
{
    if (is_foreign(head, length))
        return HELLO_FOREIGN;
    *need = length < RECORD_HEADER ? RECORD_HEADER
          : RECORD_HEADER + number_at(head + 3);
    if (length < *need)
        return HELLO_PART;
    return number_at(head + 9) < TLS_1_2 ? HELLO_OLD : HELLO_WHOLE;
}
