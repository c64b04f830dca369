/* A bounded heap of things that are due at a time.  Equal times come out in the order in which they went in.
 * It knows nothing of what the nodes are part of, and owns none of them. */
#ifndef SP_DELAY_H
#define SP_DELAY_H

#include <stddef.h>
#include <stdint.h>

#define SP_DELAY_MAX 262144 /* nodes */

/* Part of what is delayed; fields are private but for due_us, which may be read. */
struct sp_delay_node {
    int64_t due_us;
    uint64_t order;
    size_t slot;
};

struct sp_delay {
    struct sp_delay_node **heap;
    size_t count, cap;
    uint64_t next_order;
};

/* An empty heap that has no memory yet. */
void sp_delay_init(struct sp_delay *d);

/* Frees the heap's memory, not the nodes. */
void sp_delay_wipe(struct sp_delay *d);

/* Adds a node, which stays the caller's and must stay in place until it is removed.  -1 if SP_DELAY_MAX nodes
 * are in or memory is short; then nothing has changed. */
int sp_delay_push(struct sp_delay *d, struct sp_delay_node *node, int64_t due_us);

/* The node that is due first, still in the heap, or NULL. */
struct sp_delay_node *sp_delay_first(const struct sp_delay *d);

/* Takes out a node that is in the heap. */
void sp_delay_remove(struct sp_delay *d, struct sp_delay_node *node);

/* Gives a node that is in the heap another time, after all that have this time already. */
void sp_delay_move(struct sp_delay *d, struct sp_delay_node *node, int64_t due_us);

#endif
