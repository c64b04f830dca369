/* store.c: what no engine sees.  The contract suite has the rest. */
#include "contract.h"

Test(store, options_outside_their_limits)
{
    static const struct sp_store_config bad[] = {
        {.map_size = 4096},
        {.share_percent = 101},
        {.dedup_keep_us = -1},
        {.faults = {.set = true, .lost = 1001}},
        {.faults = {.set = true, .lost = 500, .failed = 400, .busy = 101}},
        {.faults = {.set = true, .max_delay_us = -1}},
    };
    struct sp_store *st = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(sp_store_open(&st, "mem:", &bad[i]), SP_EINVAL, "%zu", i);
    cr_assert_null(st);
}

Test(store, ports_have_a_limit)
{
    struct sp_store *st;
    struct sp_store_port *p;
    cr_assert_eq(sp_store_open(&st, "mem:", NULL), 0);
    for (size_t i = 0; i < SP_STORE_PORTS_MAX; i++)
        cr_assert_eq(sp_store_attach(st, &p), 0);
    cr_assert_eq(sp_store_attach(st, &p), SP_EFULL);
    sp_store_close(&st);
}

Test(store, a_port_tells_when_to_poll)
{
    struct kit k = {.engine = KIT_MEM, .wall_us = KIT_T0};
    kit_start(&k, NULL);
    cr_assert_eq(sp_store_wake_fd(k.port[0]), -1);
    cr_assert_eq(sp_store_deadline(k.port[0]), SP_NEVER);
    struct sp_store_req r = kit_append(&k, "a", 1, "b", "x");
    cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
    cr_assert_lt(sp_store_deadline(k.port[0]), 0);
    cr_assert_eq(sp_store_deadline(k.port[1]), SP_NEVER);
    cr_assert_eq(sp_store_pending(k.port[0]), 1U);
    struct sp_store_done d = kit_next(&k, 0);
    kit_free(&k, &d);
    cr_assert_eq(sp_store_deadline(k.port[0]), SP_NEVER);
    cr_assert_eq(sp_store_step(k.st), 0U);
    sp_store_close(&k.st);
}

Test(store, poll_gives_no_more_than_asked)
{
    struct kit k = {.engine = KIT_MEM, .wall_us = KIT_T0};
    kit_start(&k, NULL);
    struct sp_store_done d[8];
    size_t n;
    for (uint64_t id = 1; id <= 5; id++) {
        struct sp_store_req r = kit_append(&k, "a", id, "b", "x");
        cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
    }
    static const size_t caps[] = {0, 2, 1, 8};
    static const size_t want[] = {0, 2, 1, 2};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(sp_store_poll(k.port[0], d, caps[i], &n, 0), 0);
        cr_assert_eq(n, want[i]);
        kit_free_many(&k, d, n);
    }
    cr_assert_eq(sp_store_pending(k.port[0]), 0U);
    sp_store_close(&k.st);
}

Test(store, counters)
{
    struct kit k = {.engine = KIT_MEM, .wall_us = KIT_T0};
    kit_start(&k, NULL);
    kit_send(&k, "a", 1, "b", "x");
    kit_want(&k, kit_append(&k, "a", 1, "b", "x"), 0);
    kit_want(&k, kit_append(&k, "a", 1, "b", "y"), SP_EREUSED);
    struct sp_store_stats s;
    sp_store_stats(k.st, &s);
    cr_assert_eq(s.appends, 1U);
    cr_assert_eq(s.repeats, 1U);
    cr_assert_eq(s.refused, 1U);
    cr_assert_not(s.failed);
    sp_store_close(&k.st);
}
