/* What is done for each kind of request. */
#ifndef HARP_DISPATCHER_REQUESTS_H
#define HARP_DISPATCHER_REQUESTS_H

struct exchange;

/* Begins to answer a request that was read; the exchange may end at once. */
void requests_serve(struct exchange *exchange);

#endif
