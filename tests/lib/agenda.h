/* What happens when in virtual time: a heap of items, those of one instant in the order in which they were
 * added. It knows times only; what an item means is its owner's. */
#ifndef SP_AGENDA_H
#define SP_AGENDA_H

#include <sampan/types.h>

struct sp_agenda_item {
    sp_time at;
    uint64_t order;
    int who;
    void *what; /* the agenda's owner frees it */
};
struct sp_agenda {
    struct sp_agenda_item *heap;
    size_t n, cap;
    uint64_t order;
};

void sp_agenda_add(struct sp_agenda *a, sp_time at, int who, void *what);
/* SP_NEVER: nothing is left. */
sp_time sp_agenda_next(const struct sp_agenda *a);
/* The first item; there must be one. */
struct sp_agenda_item sp_agenda_pop(struct sp_agenda *a);
/* Items of one with something to tell (what is not NULL) that are later than `at` come then, in their order.
 */
void sp_agenda_hasten(struct sp_agenda *a, int who, sp_time at);
/* Frees the heap, not what its items are about. */
void sp_agenda_wipe(struct sp_agenda *a);

#endif
