/* fault.c: delays and their deadlines.  The contract suite has the rest. */
#include "contract.h"

static void start(struct kit *k, int64_t max_delay_us)
{
    *k = (struct kit){.engine = KIT_FAULT, .wall_us = KIT_T0};
    k->cfg = (struct sp_store_config){.faults = {true, 0, 0, 0, max_delay_us, 0}};
    (void)snprintf(k->url, sizeof(k->url), "fault:3:mem:");
    kit_open(k);
}

Test(fault, a_completion_waits_for_its_deadline)
{
    struct kit k;
    struct sp_store_done d;
    size_t n;
    start(&k, 1000000);
    struct sp_store_req r = kit_append(&k, "a", 1, "b", "x");
    cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
    cr_assert_eq(sp_store_poll(k.port[0], &d, 1, &n, 5000000), 0);
    cr_assert_eq(n, 0U);
    sp_time due = sp_store_deadline(k.port[0]);
    cr_assert(due > 5000000 && due <= 6000000);
    cr_assert_eq(sp_store_poll(k.port[0], &d, 1, &n, due - 1), 0);
    cr_assert_eq(n, 0U);
    cr_assert_eq(sp_store_poll(k.port[0], &d, 1, &n, due), 0);
    cr_assert_eq(n, 1U);
    kit_free(&k, &d);
    cr_assert_eq(sp_store_deadline(k.port[0]), SP_NEVER);
    sp_store_close(&k.st);
}

Test(fault, held_completions_are_freed_at_close)
{
    struct kit k;
    struct sp_store_done d;
    size_t n;
    start(&k, 1000000);
    for (uint64_t id = 1; id <= 20; id++) {
        struct sp_store_req r = kit_append(&k, "a", id, "b", "x");
        cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
        cr_assert_eq(sp_store_poll(k.port[0], &d, 1, &n, 0), 0);
    }
    sp_store_close(&k.st);
}

Test(fault, without_odds_it_is_not_there)
{
    struct kit k;
    start(&k, 0);
    for (uint64_t id = 1; id <= 200; id++)
        cr_assert_eq(kit_send(&k, "a", id, "b", "x"), id);
    cr_assert_eq(k.now, 0);
    sp_store_close(&k.st);
}

Test(fault, the_defaults_disturb)
{
    struct kit k = {.engine = KIT_FAULT, .wall_us = KIT_T0};
    (void)snprintf(k.url, sizeof(k.url), "fault:3:mem:");
    kit_open(&k);
    unsigned errors = 0;
    for (uint64_t id = 1; id <= 300; id++) {
        struct sp_store_done d = kit_call(&k, kit_append(&k, "a", id, "b", "x"));
        errors += d.err == SP_EUNKNOWN || d.err == SP_EBUSY;
        kit_free(&k, &d);
    }
    cr_assert(errors > 10 && errors < 100, "%u", errors);
    cr_assert_gt(k.now, 0);
    sp_store_close(&k.st);
}

/* From `until` on the layer is not there for a port that was polled then. */
Test(fault, the_end_of_the_faults)
{
    enum { UNTIL = 10 };
    struct kit k = {.engine = KIT_FAULT, .wall_us = KIT_T0};
    k.cfg = (struct sp_store_config){.faults = {true, 0, 0, 1000, 0, UNTIL}};
    (void)snprintf(k.url, sizeof(k.url), "fault:3:mem:");
    kit_open(&k);
    for (uint64_t id = 1; id <= 20; id++)
        kit_want(&k, kit_append(&k, "a", id, "b", "x"), SP_EBUSY);
    k.now = UNTIL;
    kit_want(&k, kit_append(&k, "a", 1, "b", "x"), SP_EBUSY);
    for (uint64_t id = 1; id <= 20; id++)
        cr_assert_eq(kit_send(&k, "a", id, "b", "x"), id);
    sp_store_close(&k.st);
}
