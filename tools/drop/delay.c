/* A binary heap of pointers; each node knows its slot, so it can be moved. */
#include "delay.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CAP_FIRST 1024

static bool is_before(const struct sp_delay_node *a, const struct sp_delay_node *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void place(struct sp_delay *d, size_t slot, struct sp_delay_node *node)
{
    d->heap[slot] = node;
    node->slot = slot;
}

static void rise(struct sp_delay *d, struct sp_delay_node *node)
{
    size_t slot = node->slot;
    while (slot > 0 && is_before(node, d->heap[(slot - 1) / 2])) {
        place(d, slot, d->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    place(d, slot, node);
}

static void sink(struct sp_delay *d, struct sp_delay_node *node)
{
    size_t slot = node->slot;
    for (size_t child = 2 * slot + 1; child < d->count; child = 2 * slot + 1) {
        if (child + 1 < d->count && is_before(d->heap[child + 1], d->heap[child]))
            child++;
        if (!is_before(d->heap[child], node))
            break;
        place(d, slot, d->heap[child]);
        slot = child;
    }
    place(d, slot, node);
}

void sp_delay_init(struct sp_delay *d)
{
    memset(d, 0, sizeof *d);
}

void sp_delay_wipe(struct sp_delay *d)
{
    free(d->heap);
    memset(d, 0, sizeof *d);
}

static int grow(struct sp_delay *d)
{
    if (d->cap >= SP_DELAY_MAX)
        return -1;
    size_t cap = d->cap == 0 ? CAP_FIRST : d->cap * 2;
    struct sp_delay_node **heap = realloc(d->heap, cap * sizeof(struct sp_delay_node *));
    if (heap == NULL)
        return -1;
    d->heap = heap;
    d->cap = cap;
    return 0;
}

int sp_delay_push(struct sp_delay *d, struct sp_delay_node *node, int64_t due_us)
{
    if (d->count == d->cap && grow(d) != 0)
        return -1;
    node->due_us = due_us;
    node->order = d->next_order++;
    node->slot = d->count++;
    rise(d, node);
    return 0;
}

struct sp_delay_node *sp_delay_first(const struct sp_delay *d)
{
    return d->count > 0 ? d->heap[0] : NULL;
}

void sp_delay_remove(struct sp_delay *d, struct sp_delay_node *node)
{
    struct sp_delay_node *last = d->heap[--d->count];
    if (last == node)
        return;
    place(d, node->slot, last);
    rise(d, last);
    sink(d, last);
}

void sp_delay_move(struct sp_delay *d, struct sp_delay_node *node, int64_t due_us)
{
    node->due_us = due_us;
    node->order = d->next_order++;
    rise(d, node);
    sink(d, node);
}
