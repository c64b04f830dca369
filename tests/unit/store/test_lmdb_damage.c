/* Damaged rows: never served as good, never a crash, counted; what can be healed is. */
#include "contract.h"
#include "poke.h"

static void start(struct kit *k)
{
    *k = (struct kit){.engine = KIT_LMDB, .wall_us = KIT_T0};
    kit_folder(k);
    kit_start(k, NULL);
    for (uint64_t id = 1; id <= 5; id++)
        kit_send(k, "a", id, "b", "body");
}

static void stop(struct kit *k)
{
    sp_store_close(&k->st);
    (void)nftw(k->dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static void damage(struct kit *k, const char *tree, struct sp_lmdb_key key, poke_fn *fn)
{
    sp_store_close(&k->st);
    poke_row(k->dir, tree, &key, fn);
    kit_open(k);
}

static uint64_t corrupt(struct kit *k)
{
    struct sp_store_stats s;
    sp_store_stats(k->st, &s);
    return s.corrupt;
}

static void assert_skipped(struct kit *k, uint32_t lo, uint32_t hi, int why)
{
    struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", 0));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.to.v, 5U);
    cr_assert_eq(d.entries_n, 5 - (hi - lo + 1));
    cr_assert_eq(d.skips_n, 1U);
    cr_assert_eq(d.skips[0].lo.v, lo);
    cr_assert_eq(d.skips[0].hi.v, hi);
    cr_assert_eq(d.skips[0].why, why);
    kit_free(k, &d);
}

/* Head or body of a message, changed or gone: a skipped range, then ENDED instead of DELIVERED. */
Test(lmdb_damage, a_message)
{
    static const struct {
        uint32_t seq;
        uint8_t part;
        poke_fn *fn;
    } rows[] = {{3, 0, poke_flip},   {3, 1, poke_flip}, {3, 0, poke_remove},
                {3, 1, poke_remove}, {5, 0, poke_flip}, {1, 1, poke_flip}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct kit k;
        struct sp_lmdb_mkey m = poke_mkey("b");
        uint32_t seq = rows[i].seq;
        start(&k);
        damage(&k, "box", sp_lmdb_key_box(&m, seq, rows[i].part), rows[i].fn);
        assert_skipped(&k, seq, seq, SP_STORE_WHY_CORRUPT);
        cr_assert_gt(corrupt(&k), 0U);
        cr_assert(kit_want(&k, kit_append(&k, "a", seq, "b", "body"), 0).repeat, "it is not stored twice");
        struct sp_store_done d = kit_call(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 5));
        cr_assert_eq(d.err, 0);
        cr_assert_eq(d.entries_n, 4U);
        cr_assert_eq(d.confirmed.v, 5U);
        kit_free(&k, &d);
        kit_reopen(&k);
        cr_assert_eq(kit_state(&k, "a", seq), SP_STATE_ENDED, "row %zu", i);
        cr_assert_eq(kit_state(&k, "a", seq == 1 ? 2 : 1), SP_STATE_DELIVERED);
        cr_assert_eq(kit_head(&k, "b").count, 0U);
        stop(&k);
    }
}

Test(lmdb_damage, a_tombstone)
{
    struct kit k;
    struct sp_lmdb_mkey m = poke_mkey("b");
    struct sp_store_span span = {{2}, {3}, SP_STORE_WHY_EXPIRED};
    start(&k);
    struct sp_store_req r = kit_on(&k, SP_STORE_TRIM, "b", 0);
    r.spans = &span;
    r.spans_n = 1;
    kit_want(&k, r, 0);
    assert_skipped(&k, 2, 3, SP_STORE_WHY_EXPIRED);
    damage(&k, "tomb", sp_lmdb_key_tomb(&m, 3), poke_flip);
    assert_skipped(&k, 2, 3, SP_STORE_WHY_CORRUPT);
    cr_assert_eq(kit_state(&k, "a", 2), SP_STATE_ENDED);
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 5), 0);
    cr_assert_eq(kit_state(&k, "a", 2), SP_STATE_ENDED);
    stop(&k);
}

Test(lmdb_damage, a_dedup_row)
{
    struct kit k;
    struct sp_lmdb_mkey m = poke_mkey("a");
    start(&k);
    damage(&k, "dedup", sp_lmdb_key_dedup(&m, 1, 2), poke_flip);
    kit_want(&k, kit_append(&k, "a", 2, "b", "body"), SP_ECORRUPT);
    cr_assert_eq(kit_state(&k, "a", 2), SP_STATE_UNKNOWN);
    cr_assert_eq(kit_head(&k, "b").svr_seq.v, 5U);
    cr_assert(kit_want(&k, kit_append(&k, "a", 3, "b", "body"), 0).repeat);
    struct sp_store_req r = kit_append(&k, "a", 6, "b", "after a damaged one");
    r.after.v = 2;
    kit_want(&k, r, 0);
    struct sp_store_done d = kit_call(&k, kit_by(&k, SP_STORE_STATUS, "a", 0));
    cr_assert_eq(d.entries_n, 5U, "all open ones but the damaged");
    kit_free(&k, &d);
    stop(&k);
}

/* Without its floors a device could store twice: it is frozen. */
Test(lmdb_damage, a_device_row)
{
    struct kit k;
    struct sp_lmdb_mkey m = poke_mkey("a");
    start(&k);
    damage(&k, "dev", sp_lmdb_key_dev(&m, 1), poke_flip);
    kit_want(&k, kit_append(&k, "a", 9, "b", "x"), SP_ECORRUPT);
    kit_want(&k, kit_by(&k, SP_STORE_FINISH, "a", 9), SP_ECORRUPT);
    kit_want(&k, kit_by(&k, SP_STORE_STATUS, "a", 0), SP_ECORRUPT);
    struct sp_store_req r = kit_append(&k, "a", 9, "b", "x");
    r.from.device = 2;
    kit_want(&k, r, 0);
    cr_assert_eq(kit_count(&k, 0, "b", 0), 6U);
    stop(&k);
}

/* A mailbox row: a new epoch, seqs go on far above, messages stay. */
static void check_reset(struct kit *k, uint32_t confirmed, size_t messages)
{
    struct sp_store_done h = kit_head(k, "b");
    cr_assert_eq(h.epoch.v, 7778U);
    cr_assert_eq(h.svr_seq.v, 5U + (1U << 20));
    cr_assert_eq(h.confirmed.v, confirmed);
    cr_assert_eq(kit_send(k, "z", 1, "b", "new"), 6U + (1U << 20));
    struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", confirmed));
    cr_assert_eq(d.entries_n, messages + 1);
    cr_assert_eq(d.skips_n, 1U);
    cr_assert_eq(d.skips[0].why, SP_STORE_WHY_CORRUPT);
    cr_assert_eq(d.skips[0].lo.v, 6U);
    cr_assert_eq(d.skips[0].hi.v, 5U + (1U << 20));
    kit_free(k, &d);
    d = kit_call(k, kit_on(k, SP_STORE_CONFIRM, "b", 6U + (1U << 20)));
    cr_assert_eq(d.entries_n, messages + 1);
    kit_free(k, &d);
    kit_reopen(k);
    cr_assert_eq(kit_head(k, "b").epoch.v, 7778U);
    cr_assert_eq(kit_state(k, "a", 5), SP_STATE_DELIVERED);
}

Test(lmdb_damage, a_mailbox_row)
{
    struct kit k;
    struct sp_lmdb_mkey m = poke_mkey("b");
    start(&k);
    damage(&k, "usr", sp_lmdb_key_usr(&m), poke_flip);
    check_reset(&k, 0, 5);
    damage(&k, "usr", sp_lmdb_key_usr(&m), poke_flip);
    cr_assert_eq(kit_head(&k, "b").epoch.v, 7779U, "never the same epoch twice");
    stop(&k);
}

Test(lmdb_damage, a_mailbox_row_with_a_cursor)
{
    struct kit k;
    struct sp_lmdb_mkey m = poke_mkey("b");
    start(&k);
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 2), 0);
    damage(&k, "usr", sp_lmdb_key_usr(&m), poke_flip);
    check_reset(&k, 2, 3);
    stop(&k);
}

/* Whoever meets the damage first heals it. */
Test(lmdb_damage, a_mailbox_row_met_by_each_op)
{
    static const enum sp_store_op ops[] = {SP_STORE_RANGE, SP_STORE_HEAD,  SP_STORE_CONFIRM,
                                           SP_STORE_CLAIM, SP_STORE_LIMIT, SP_STORE_APPEND};
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        struct kit k;
        struct sp_lmdb_mkey m = poke_mkey("b");
        start(&k);
        damage(&k, "usr", sp_lmdb_key_usr(&m), poke_flip);
        struct sp_store_req r = kit_append(&k, "z", 1, "b", "x");
        r.op = ops[i];
        r.holder = 1;
        struct sp_store_done d = kit_want(&k, r, 0);
        cr_assert_eq(d.epoch.v, 7778U, "op %d", (int)ops[i]);
        cr_assert_gt(corrupt(&k), 0U);
        stop(&k);
    }
}

/* A message stored before the damage is named with the healed numbers, and stays delivered. */
Test(lmdb_damage, a_mailbox_row_met_by_a_repeat)
{
    struct kit k;
    struct sp_lmdb_mkey m = poke_mkey("b");
    start(&k);
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 2), 0);
    damage(&k, "usr", sp_lmdb_key_usr(&m), poke_flip);
    struct sp_store_done d = kit_want(&k, kit_append(&k, "a", 2, "b", "body"), 0);
    cr_assert(d.repeat);
    cr_assert_eq(d.seq.v, 2U);
    cr_assert_eq(d.state, SP_STATE_DELIVERED);
    cr_assert_eq(d.epoch.v, 7778U);
    cr_assert_eq(d.svr_seq.v, 5U + (1U << 20));
    cr_assert_eq(d.confirmed.v, 2U);
    cr_assert_eq(kit_want(&k, kit_append(&k, "a", 3, "b", "body"), 0).state, SP_STATE_ACCEPTED);
    kit_reopen(&k);
    cr_assert_eq(kit_head(&k, "b").epoch.v, 7778U, "healed once, and kept");
    stop(&k);
}

Test(lmdb_damage, a_share_row_is_only_a_quota)
{
    struct kit k;
    struct sp_lmdb_mkey a = poke_mkey("a");
    struct sp_lmdb_mkey b = poke_mkey("b");
    start(&k);
    damage(&k, "share", sp_lmdb_key_share(&b, &a), poke_flip);
    kit_send(&k, "a", 6, "b", "x");
    struct sp_store_done d = kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 6), 0);
    cr_assert_eq(d.confirmed.v, 6U);
    kit_send(&k, "a", 7, "b", "x");
    stop(&k);
}
