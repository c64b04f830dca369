/* The heap of deadlines against a plain search. */
#include "due.h"

#include <criterion/criterion.h>

#define SLOTS 50

Test(due, pops_in_order_whatever_was_set)
{
    struct sp_due_slot slots[SLOTS] = {{0}}, *heap[SLOTS];
    struct sp_due d;
    uint32_t random = 1;
    sp_due_init(&d, heap, SLOTS);
    for (size_t i = 0; i < SLOTS; i++)
        slots[i].at = SP_NEVER;
    for (int round = 0; round < 2000; round++) {
        random = random * 1664525 + 1013904223;
        size_t i = random >> 8 & 63;
        if (i < SLOTS)
            sp_due_set(&d, &slots[i], random >> 28 == 0 ? SP_NEVER : (sp_time)(random >> 16));
        sp_time first = SP_NEVER;
        for (size_t k = 0; k < SLOTS; k++)
            first = slots[k].at < first ? slots[k].at : first;
        cr_assert_eq(sp_due_next(&d), first);
    }
    sp_time before = 0;
    struct sp_due_slot *s;
    cr_assert_null(sp_due_pop(&d, sp_due_next(&d) - 1), "nothing is due yet");
    while ((s = sp_due_pop(&d, SP_NEVER - 1)) != NULL) {
        cr_assert_geq(s->at, before);
        before = s->at;
    }
    cr_assert_eq(sp_due_next(&d), SP_NEVER);
}
