/* What happens when in virtual time: items, those of one instant in the order in which they were added.  It
 * knows times only; what an item means is its owner's.  A wheel of two levels, so that a simulation pays a
 * few steps for an item however many there are. */
#ifndef SP_AGENDA_H
#define SP_AGENDA_H

#include <sampan/types.h>

#define SP_AGENDA_SLOTS 1024 /* of a level; a power of two */

struct sp_agenda_item {
    sp_time at; /* not negative */
    uint64_t order;
    int who;
    void *what; /* the agenda's owner frees it */
};
/* Lists by slot, and which slots have one. */
struct sp_agenda_level {
    uint64_t used[SP_AGENDA_SLOTS / 64], words; /* a bit per slot; a bit per word of them */
    uint32_t first[SP_AGENDA_SLOTS], last[SP_AGENDA_SLOTS];
};
/* All zero: an empty one. */
struct sp_agenda {
    struct sp_agenda_level near, later; /* near: of one epoch, each list in order; later: of the next ones */
    uint32_t far;                       /* list of items of the epochs after those */
    uint64_t epoch, far_epoch;          /* of near; the first of far */
    struct sp_agenda_node *nodes;
    uint32_t cap, vacant; /* vacant: a list */
    size_t n;             /* items */
    uint64_t order;
};

void sp_agenda_add(struct sp_agenda *a, sp_time at, int who, void *what);
/* Takes the first item, if its time is `until` or before.  What is added later must not be before it.  False:
 * there is none. */
bool sp_agenda_take(struct sp_agenda *a, sp_time until, struct sp_agenda_item *out);
/* Items of one with something to tell (what is not NULL) that are later than `at` come then, in their order.
 */
void sp_agenda_hasten(struct sp_agenda *a, int who, sp_time at);
/* Frees the agenda, not what its items are about. */
void sp_agenda_wipe(struct sp_agenda *a);

#endif
