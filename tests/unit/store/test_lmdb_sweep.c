/* lmdb_sweep.c: what age removes from the trees.  The contract suite has what a caller sees of it. */
#include "contract.h"
#include "poke.h"

static void start(struct kit *k)
{
    *k = (struct kit){.engine = KIT_LMDB, .wall_us = KIT_T0};
    struct sp_store_config cfg = {.dedup_keep_us = KIT_DAY, .manual = true, .share_percent = 100};
    kit_folder(k);
    kit_start(k, &cfg);
}

static void stop(struct kit *k)
{
    sp_store_close(&k->st);
    (void)nftw(k->dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* Tells the store the time and lets it sweep until it has nothing more to do. */
static void pass(struct kit *k, int64_t us)
{
    k->wall_us += us;
    for (int i = 0; i < 3; i++) {
        kit_want(k, kit_on(k, SP_STORE_CONFIRM, "nobody", 0), 0);
        for (int step = 0; step < 50; step++)
            (void)sp_store_step(k->st);
        k->wall_us += KIT_DAY / 8 + 2;
    }
}

static size_t rows(struct kit *k, const char *tree)
{
    sp_store_close(&k->st);
    size_t n = poke_count(k->dir, tree);
    kit_open(k);
    return n;
}

Test(lmdb_sweep, receipts_and_dedup_rows_go_with_age)
{
    struct kit k;
    start(&k);
    for (uint64_t id = 1; id <= 300; id++)
        kit_send(&k, "a", id, "b", "x");
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 200), 0);
    cr_assert_eq(rows(&k, "box"), 200U + 2U * 100U, "receipts, and messages with a body");
    pass(&k, KIT_DAY / 4);
    cr_assert_eq(rows(&k, "box"), 400U);
    cr_assert_eq(rows(&k, "dedup"), 300U);
    pass(&k, KIT_DAY);
    cr_assert_eq(rows(&k, "box"), 200U, "open messages stay");
    cr_assert_eq(rows(&k, "dedup"), 0U);
    cr_assert_eq(kit_head(&k, "a").finished.v, 300U);
    kit_want(&k, kit_append(&k, "a", 300, "b", "x"), SP_EEXPIRED);
    cr_assert_eq(kit_count(&k, 0, "b", 0), 100U);
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 300), 0);
    cr_assert_eq(rows(&k, "share"), 0U);
    stop(&k);
}

Test(lmdb_sweep, rows_that_a_finish_left_go_at_any_age)
{
    struct kit k;
    start(&k);
    for (uint64_t id = 1; id <= 600; id++)
        kit_send(&k, "a", id, "b", "x");
    kit_want(&k, kit_by(&k, SP_STORE_FINISH, "a", 550), 0);
    kit_want(&k, kit_append(&k, "a", 540, "b", "x"), SP_EEXPIRED);
    pass(&k, 0);
    cr_assert_eq(rows(&k, "dedup"), 50U);
    cr_assert_eq(kit_head(&k, "a").finished.v, 550U);
    stop(&k);
}

Test(lmdb_sweep, tombstones_outlive_the_rows_that_ask_for_them)
{
    struct kit k;
    start(&k);
    for (uint64_t id = 1; id <= 4; id++)
        kit_send(&k, "a", id, "b", "x");
    struct sp_store_span span = {{2}, {3}, SP_STORE_WHY_DROPPED};
    struct sp_store_req r = kit_on(&k, SP_STORE_TRIM, "b", 0);
    r.spans = &span;
    r.spans_n = 1;
    kit_want(&k, r, 0);
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 3), 0);
    pass(&k, KIT_DAY + KIT_DAY / 4);
    cr_assert_eq(rows(&k, "dedup"), 0U);
    cr_assert_eq(rows(&k, "tomb"), 1U);
    pass(&k, KIT_DAY);
    cr_assert_eq(rows(&k, "tomb"), 0U);
    cr_assert_eq(kit_count(&k, 0, "b", 0), 1U);
    stop(&k);
}

Test(lmdb_sweep, a_tombstone_above_the_cursor_stays)
{
    struct kit k;
    start(&k);
    kit_send(&k, "a", 1, "b", "x");
    struct sp_store_span span = {{1}, {1}, SP_STORE_WHY_DROPPED};
    struct sp_store_req r = kit_on(&k, SP_STORE_TRIM, "b", 0);
    r.spans = &span;
    r.spans_n = 1;
    kit_want(&k, r, 0);
    pass(&k, 9 * KIT_DAY);
    struct sp_store_done d = kit_call(&k, kit_on(&k, SP_STORE_RANGE, "b", 0));
    cr_assert_eq(d.skips_n, 1U);
    cr_assert_eq(d.skips[0].why, SP_STORE_WHY_DROPPED);
    kit_free(&k, &d);
    stop(&k);
}

/* The clock floor is durable and never falls: an earlier wall time does not make old rows young. */
Test(lmdb_sweep, the_clock_survives_a_reopening)
{
    struct kit k;
    start(&k);
    for (uint64_t id = 1; id <= 300; id++)
        kit_send(&k, "a", id, "b", "x");
    k.wall_us += 30 * KIT_DAY;
    kit_send(&k, "z", 1, "b", "x"); /* beside it only a slice of the rows is looked at */
    cr_assert_gt(rows(&k, "dedup"), 200U);
    k.wall_us = KIT_T0;
    kit_reopen(&k);
    kit_want(&k, kit_on(&k, SP_STORE_LIMIT, "c", 0), 0);
    for (int step = 0; step < 50; step++)
        (void)sp_store_step(k.st);
    cr_assert_eq(kit_head(&k, "a").finished.v, 300U);
    cr_assert_eq(kit_head(&k, "z").finished.v, 0U);
    stop(&k);
}

Test(lmdb_sweep, expired_messages_end_in_all_mailboxes)
{
    struct kit k;
    start(&k);
    for (uint64_t id = 1; id <= 200; id++) {
        struct sp_store_req r = kit_append(&k, "a", id, id % 2 ? "b" : "c", "body");
        r.expires_us = KIT_T0 + (int64_t)id * 1000000;
        kit_want(&k, r, 0);
    }
    pass(&k, 100 * 1000000);
    pass(&k, 0);
    struct sp_store_done d = kit_head(&k, "b");
    cr_assert_eq(d.count, kit_count(&k, 0, "b", 0));
    cr_assert_eq(d.bytes, 4U * d.count);
    cr_assert_eq(kit_state(&k, "a", 99), SP_STATE_ENDED);
    cr_assert_eq(rows(&k, "tomb"), 2U, "neighbors are joined");
    stop(&k);
}
