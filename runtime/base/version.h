/* Which harp this is. */
#ifndef HARP_BASE_VERSION_H
#define HARP_BASE_VERSION_H

#define VERSION "0.1.0"

#endif
