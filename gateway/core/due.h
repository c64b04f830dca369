/* Which session has something to do when: a binary heap of deadlines.  It knows the slot in each element,
 * nothing else of it. */
#ifndef SP_DUE_H
#define SP_DUE_H

#include <sampan/types.h>

/* In the element. */
struct sp_due_slot {
    sp_time at;
    size_t index; /* place in the heap + 1; 0: in no heap */
};
struct sp_due {
    struct sp_due_slot **heap; /* memory of the caller */
    size_t n, max;
};

/* The element of `type` whose member `member` is the slot. */
#define SP_DUE_ITEM(slot, type, member) ((type *)(void *)((char *)(slot)-offsetof(type, member)))

void sp_due_init(struct sp_due *d, struct sp_due_slot **heap, size_t max);
/* Sets the deadline of an element; SP_NEVER takes it out. */
void sp_due_set(struct sp_due *d, struct sp_due_slot *s, sp_time at);
/* The earliest deadline; SP_NEVER: none. */
static inline sp_time sp_due_next(const struct sp_due *d)
{
    return d->n == 0 ? SP_NEVER : d->heap[0]->at;
}
/* Takes out one element whose deadline is not after `now`; NULL: none. */
struct sp_due_slot *sp_due_pop(struct sp_due *d, sp_time now);

#endif
