/* UDP sockets of the relay: opening them, and reading them in batches with the kernel's time of arrival and
 * its count of losses. */
#ifndef SP_UDPSOCK_H
#define SP_UDPSOCK_H

#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"

#define SP_UDPSOCK_BATCH     32
#define SP_UDPSOCK_BYTES_MAX 65535 /* no UDP datagram is larger */

struct sp_udpsock_datagram {
    struct sp_endpoint from;
    const uint8_t *bytes; /* borrowed until the next read */
    size_t len;
    int64_t arrived_us; /* CLOCK_MONOTONIC */
};

struct sp_udpsock_batch;

/* Microseconds of CLOCK_MONOTONIC and of the wall clock. */
int64_t sp_udpsock_now_us(void);
int64_t sp_udpsock_wall_us(void);

/* A socket bound to `at`, whose port may be 0; `bound` gets what it became.  The descriptor, or -1 with a
 * problem. */
int sp_udpsock_listen(const struct sp_endpoint *at, struct sp_endpoint *bound, struct sp_problem *problem);

/* A socket connected to `to` from a fresh port; `local` gets its address.  The descriptor, or -1 with errno.
 */
int sp_udpsock_connect(const struct sp_endpoint *to, struct sp_endpoint *local);

/* Buffers for reading; NULL without memory.  Destroy sets the pointer to NULL. */
struct sp_udpsock_batch *sp_udpsock_create(void);
void sp_udpsock_destroy(struct sp_udpsock_batch **b);

/* Reads up to SP_UDPSOCK_BATCH waiting datagrams.  The number read, 0 if there are none or the socket reports
 * an error that belongs to an earlier send.  *kernel_lost is raised to the socket's own loss count, if it
 * told. */
size_t sp_udpsock_read(struct sp_udpsock_batch *b, int fd, uint32_t *kernel_lost);

/* Datagram i of the last read. */
const struct sp_udpsock_datagram *sp_udpsock_get(const struct sp_udpsock_batch *b, size_t i);

#endif
