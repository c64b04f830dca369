/* lmdb_walk.c against an array: every seq of a stretch is named once, whatever lies in the trees. */
#include "lmdb_walk.h"

#include "contract.h"
#include "poke.h"

enum { SEQS = 120, MESSAGE = 0, NOTHING = 100 };

static struct sp_engine *engine;
static struct sp_lmdb *db;
static struct sp_lmdb_txn txn;
static struct sp_lmdb_mkey box;
static char dir[64];
static int want[SEQS + 1]; /* MESSAGE, NOTHING, or why */

static void setup(void)
{
    char url[90];
    static const struct sp_store_config cfg = {
        .map_size = KIT_MAP, .dedup_keep_us = KIT_DAY, .reserve_bytes = 1, .manual = true, .epoch = 7};
    (void)snprintf(dir, sizeof(dir), "/tmp/sampan-walk-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(url, sizeof(url), "lmdb:%s", dir);
    cr_assert_eq(sp_engine_open(&engine, url, &cfg), 0);
    db = (struct sp_lmdb *)engine;
    box = poke_mkey("b");
    cr_assert_eq(sp_lmdb_row_begin(&txn, db), 0);
    for (size_t i = 0; i <= SEQS; i++)
        want[i] = NOTHING;
}

static void teardown(void)
{
    sp_lmdb_row_abort(&txn);
    engine->ops->close(engine);
    (void)nftw(dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(lmdb_walk, .init = setup, .fini = teardown);

static void put_message(uint32_t seq)
{
    struct sp_lmdb_msg row = {.from = {kit_user("a"), 1, {seq}}, .body_n = 0};
    struct sp_lmdb_key key = sp_lmdb_key_box(&box, seq, 0);
    struct sp_lmdb_value v;
    sp_lmdb_value_msg(&v, &row);
    cr_assert_eq(sp_lmdb_row_put(&txn, SP_LMDB_BOX, &key, &v), 0);
    want[seq] = MESSAGE;
}

static void bury(uint32_t lo, uint32_t hi, int why)
{
    cr_assert_eq(sp_lmdb_walk_bury(&txn, &box, lo, hi, why), 0);
    for (uint32_t seq = lo; seq <= hi; seq++)
        want[seq] = why;
}

static void check(uint32_t lo, uint32_t hi)
{
    struct sp_lmdb_walk w;
    struct sp_lmdb_walk_seg seg;
    uint64_t next = lo;
    sp_lmdb_walk_init(&w, &box, lo, hi);
    while (sp_lmdb_walk_next(&txn, &w, &seg) == 0) {
        cr_assert_eq(seg.lo, next);
        cr_assert(seg.hi >= seg.lo && seg.hi <= hi);
        for (uint32_t seq = seg.lo; seq <= seg.hi; seq++)
            cr_assert_eq(seg.why, want[seq] == NOTHING ? SP_STORE_WHY_CORRUPT : want[seq], "seq %u", seq);
        if (seg.why == 0)
            cr_assert_eq(seg.msg.row.from.msgid.v, seg.lo);
        next = (uint64_t)seg.hi + 1;
    }
    cr_assert_eq(next, (uint64_t)hi + 1);
}

Test(lmdb_walk, an_empty_mailbox_is_all_corrupt)
{
    check(1, SEQS);
    check(5, 5);
}

Test(lmdb_walk, everything_mixed)
{
    uint64_t rng = 99;
    put_message(1);
    for (uint32_t seq = 2; seq <= SEQS;) {
        rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
        uint32_t kind = (uint32_t)(rng >> 40) % 6;
        uint32_t n = 1 + (uint32_t)(rng >> 50) % 4;
        if (seq + n > SEQS)
            n = 1;
        if (kind >= 2 && kind <= 4)
            bury(seq, seq + n - 1, (int)kind);
        else if (kind < 2)
            put_message(seq);
        seq += kind >= 2 && kind <= 4 ? n : 1;
    }
    for (uint32_t lo = 1; lo <= SEQS; lo += 7) {
        for (uint32_t hi = lo; hi <= SEQS; hi += 5)
            check(lo, hi);
    }
}

Test(lmdb_walk, neighbors_of_other_mailboxes_are_not_seen)
{
    struct sp_lmdb_mkey own = box;
    put_message(1);
    for (int i = 0; i < 2; i++) {
        /* The mailboxes right before and behind in the tree. */
        box = own;
        box.b[SP_LMDB_MKEY_LEN - 1] = (uint8_t)(box.b[SP_LMDB_MKEY_LEN - 1] + (i ? 1 : 255));
        put_message(2);
        bury(3, 9, SP_STORE_WHY_DROPPED);
    }
    box = own;
    for (uint32_t seq = 2; seq <= SEQS; seq++)
        want[seq] = NOTHING;
    check(1, SEQS);
}

Test(lmdb_walk, tombstones_join_only_their_like)
{
    bury(10, 12, 2);
    bury(13, 14, 3);
    bury(8, 9, 2);
    bury(15, 15, 3);
    struct sp_lmdb_walk w;
    struct sp_lmdb_walk_seg seg;
    sp_lmdb_walk_init(&w, &box, 8, 15);
    cr_assert_eq(sp_lmdb_walk_next(&txn, &w, &seg), 0);
    cr_assert_eq(seg.hi, 12U);
    cr_assert_eq(sp_lmdb_walk_next(&txn, &w, &seg), 0);
    cr_assert_eq(seg.hi, 15U);
    cr_assert_eq(seg.why, 3);
    cr_assert_eq(sp_lmdb_walk_next(&txn, &w, &seg), SP_EAGAIN);
}

Test(lmdb_walk, the_end_of_the_numbers)
{
    cr_assert_eq(sp_lmdb_walk_bury(&txn, &box, UINT32_MAX - 1, UINT32_MAX, 2), 0);
    struct sp_lmdb_walk w;
    struct sp_lmdb_walk_seg seg;
    sp_lmdb_walk_init(&w, &box, UINT32_MAX - 2, UINT32_MAX);
    cr_assert_eq(sp_lmdb_walk_next(&txn, &w, &seg), 0);
    cr_assert_eq(seg.why, SP_STORE_WHY_CORRUPT);
    cr_assert_eq(seg.hi, UINT32_MAX - 2);
    cr_assert_eq(sp_lmdb_walk_next(&txn, &w, &seg), 0);
    cr_assert_eq(seg.why, 2);
    cr_assert_eq(seg.hi, UINT32_MAX);
    cr_assert_eq(sp_lmdb_walk_next(&txn, &w, &seg), SP_EAGAIN);
    sp_lmdb_walk_init(&w, &box, (uint64_t)UINT32_MAX + 1, UINT32_MAX);
    cr_assert_eq(sp_lmdb_walk_next(&txn, &w, &seg), SP_EAGAIN);
}

Test(lmdb_walk, message_skips_what_is_none)
{
    struct sp_lmdb_walk_msg msg;
    put_message(5);
    put_message(9);
    bury(6, 7, 2);
    cr_assert_eq(sp_lmdb_walk_message(&txn, &box, 1, SEQS, &msg), 0);
    cr_assert_eq(msg.seq, 5U);
    cr_assert_eq(sp_lmdb_walk_message(&txn, &box, 6, SEQS, &msg), 0);
    cr_assert_eq(msg.seq, 9U);
    cr_assert_eq(sp_lmdb_walk_message(&txn, &box, 6, 8, &msg), SP_EAGAIN);
    cr_assert_eq(sp_lmdb_walk_message(&txn, &box, 10, SEQS, &msg), SP_EAGAIN);
}
