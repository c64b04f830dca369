/* Fixed slots in memory of the caller: take and give in constant time.  Not a general allocator: one size,
 * one bound, no thread safety. */
#ifndef SP_POOL_H
#define SP_POOL_H

#include <stddef.h>

struct sp_pool {
    void *vacant;           /* given back: singly linked through the first word of each slot */
    char *mem;              /* first slot; those from `touched` on were never taken */
    size_t touched;         /* so memory that is never needed is never written */
    size_t slot_len;        /* bytes of a slot, rounded up to the alignment of max_align_t */
    size_t slots_max, used; /* capacity; taken now */
};

/* Bytes of memory for `slots_max` slots of `slot_len` bytes each. */
size_t sp_pool_footprint(size_t slot_len, size_t slots_max);
/* Lays the pool over `mem` (sp_pool_footprint bytes, aligned as max_align_t), which it borrows for its whole
 * life. */
void sp_pool_init(struct sp_pool *p, void *mem, size_t slot_len, size_t slots_max);
/* A zeroed slot, or NULL when all are taken. */
void *sp_pool_take(struct sp_pool *p);
/* Returns a slot; it must come from this pool and be given once. */
void sp_pool_give(struct sp_pool *p, void *slot);

#endif
