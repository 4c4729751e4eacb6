/* How long a peer may be silent. */
#ifndef HARP_CLIENT_PATIENCE_H
#define HARP_CLIENT_PATIENCE_H

/* Seconds; 0: as long as it takes. */
struct patience {
    double reply;               /* until what is answered at once is */
    double idle;                /* of one who waits, or follows */
};

#endif
