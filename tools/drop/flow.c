/* The table of clients: chained hashing over a fixed array. */
#include "flow.h"

#include <stdlib.h>
#include <string.h>

struct sp_flow_table *sp_flow_create(void)
{
    struct sp_flow_table *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    for (size_t i = SP_FLOW_MAX; i > 0; i--) {
        t->flows[i - 1].fd = -1;
        t->flows[i - 1].next = t->free;
        t->free = &t->flows[i - 1];
    }
    return t;
}

void sp_flow_destroy(struct sp_flow_table **t)
{
    free(*t);
    *t = NULL;
}

static struct sp_flow **bucket(struct sp_flow_table *t, const struct sp_endpoint *client)
{
    return &t->buckets[sp_endpoint_hash(client) % SP_FLOW_MAX];
}

struct sp_flow *sp_flow_find(struct sp_flow_table *t, const struct sp_endpoint *client)
{
    struct sp_flow *flow = *bucket(t, client);
    while (flow != NULL && !sp_endpoint_is_equal(&flow->client, client))
        flow = flow->next;
    return flow;
}

struct sp_flow *sp_flow_add(struct sp_flow_table *t, const struct sp_endpoint *client, int64_t now_us)
{
    struct sp_flow *flow = t->free;
    if (flow == NULL)
        return NULL;
    t->free = flow->next;
    memset(flow, 0, sizeof *flow);
    flow->live = true;
    flow->client = *client;
    flow->fd = -1;
    flow->used_us = now_us;
    flow->next = *bucket(t, client);
    *bucket(t, client) = flow;
    t->count++;
    return flow;
}

void sp_flow_remove(struct sp_flow_table *t, struct sp_flow *flow)
{
    struct sp_flow **at = bucket(t, &flow->client);
    while (*at != flow)
        at = &(*at)->next;
    *at = flow->next;
    flow->live = false;
    flow->next = t->free;
    t->free = flow;
    t->count--;
}

bool sp_flow_is_idle(const struct sp_flow *flow, int64_t now_us)
{
    return flow->live && flow->pending == 0 && now_us - flow->used_us >= SP_FLOW_IDLE_US;
}
