/*
 * What can be told of a caller's first bytes before a process is made for
 * it: is a whole TLS ClientHello there, in its record, and is it of a version
 * that is served?
 */
#ifndef HARP_DAEMON_HELLO_H
#define HARP_DAEMON_HELLO_H

#include <stddef.h>

enum hello {
    HELLO_PART,                 /* so far it can become one */
    HELLO_WHOLE,
    HELLO_OLD,                  /* whole, of TLS 1.1 or older at most */
    HELLO_FOREIGN,              /* it is none */
};

#define HELLO_HEAD 11           /* bytes that tell its kind and version */

/*
 * Looks at the first bytes, no more than HELLO_HEAD, of `length` that are
 * there. *need is how many there must be to tell more, for HELLO_PART.
 */
enum hello hello_judge(const unsigned char *head, size_t length,
                       size_t *need);

#endif
