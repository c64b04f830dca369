/* The clients of the relay: a bounded table from client address to what belongs to it.  It opens no sockets.
 */
#ifndef SP_FLOW_H
#define SP_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"
#include "lane.h"

#define SP_FLOW_MAX 4096
#define SP_FLOW_IDLE_US                                                                                      \
    (INT64_C(120) * 1000000) /* a client without a datagram for so long may be forgotten */

struct sp_flow {
    bool live;
    struct sp_endpoint client; /* where it sends from */
    struct sp_endpoint local;  /* its upstream socket's own address */
    int fd;                    /* its upstream socket, -1 if none */
    uint32_t kernel_lost;      /* the socket's loss count when last read */
    int64_t used_us;           /* last datagram in either direction */
    size_t pending;            /* packets in the delay heap */
    struct sp_lane lanes[SP_MODEL_DIRS];
    struct sp_flow *next; /* of the same hash, or the next free one */
};

struct sp_flow_table {
    struct sp_flow flows[SP_FLOW_MAX];
    struct sp_flow *buckets[SP_FLOW_MAX];
    struct sp_flow *free;
    size_t count;
};

/* A new empty table, or NULL without memory. */
struct sp_flow_table *sp_flow_create(void);

/* Frees a table and sets *t to NULL.  Sockets are the caller's. */
void sp_flow_destroy(struct sp_flow_table **t);

/* The client with an address, or NULL. */
struct sp_flow *sp_flow_find(struct sp_flow_table *t, const struct sp_endpoint *client);

/* Adds a client that is not in the table, or NULL if it has SP_FLOW_MAX. */
struct sp_flow *sp_flow_add(struct sp_flow_table *t, const struct sp_endpoint *client, int64_t now_us);

/* Forgets a client, whose socket the caller has closed and that has nothing pending. */
void sp_flow_remove(struct sp_flow_table *t, struct sp_flow *flow);

/* Whether a client is there, has nothing pending and was silent for SP_FLOW_IDLE_US. */
bool sp_flow_is_idle(const struct sp_flow *flow, int64_t now_us);

#endif
