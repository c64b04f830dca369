/* lmdb_writer.c: batches, commits, and what happens when map or limits end. */
#include "contract.h"

static void start(struct kit *k, struct sp_store_config cfg)
{
    *k = (struct kit){.engine = KIT_LMDB, .wall_us = KIT_T0};
    kit_folder(k);
    cfg.share_percent = 100;
    cfg.mailbox_count = 1000000;
    cfg.mailbox_bytes = 1ULL << 40;
    kit_start(k, &cfg);
}

static void stop(struct kit *k)
{
    sp_store_close(&k->st);
    (void)nftw(k->dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static struct sp_store_stats stats(struct kit *k)
{
    struct sp_store_stats s;
    sp_store_stats(k->st, &s);
    return s;
}

static uint8_t blob[SP_BODY_MAX];

static struct sp_store_req append_blob(struct kit *k, uint64_t id, size_t n)
{
    struct sp_store_req r = kit_append(k, "a", id, "b", "");
    r.body = (struct sp_view){blob, n};
    return r;
}

Test(lmdb_writer, a_batch_is_one_commit_of_at_most_4096)
{
    struct kit k;
    enum { N = 5000 };
    static struct sp_store_req r[N];
    start(&k, (struct sp_store_config){.manual = true});
    for (uint64_t i = 0; i < N; i++)
        r[i] = kit_append(&k, "a", i + 1, "b", "x");
    cr_assert_eq(sp_store_submit(k.port[0], r, N), 0);
    cr_assert_eq(stats(&k).commits, 0U);
    cr_assert_eq(sp_store_step(k.st), 4096U);
    cr_assert_eq(stats(&k).commits, 1U);
    cr_assert_eq(sp_store_step(k.st), N - 4096U);
    cr_assert_eq(stats(&k).commits, 2U);
    cr_assert_eq(stats(&k).batch_max, 4096U);
    cr_assert_eq(sp_store_step(k.st), 0U);
    uint64_t commit = 0;
    for (uint32_t i = 0; i < N; i++) {
        struct sp_store_done d = kit_next(&k, 0);
        cr_assert_eq(d.seq.v, i + 1, "executed in order");
        cr_assert(d.commit == commit || i == 0 || i == 4096);
        cr_assert_geq(d.commit, commit);
        commit = d.commit;
        kit_free(&k, &d);
    }
    stop(&k);
}

Test(lmdb_writer, a_batch_is_at_most_4_mib)
{
    struct kit k;
    start(&k, (struct sp_store_config){.manual = true});
    for (uint64_t id = 1; id <= 100; id++) {
        struct sp_store_req r = append_blob(&k, id, SP_BODY_MAX);
        cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
    }
    cr_assert_eq(sp_store_step(k.st), 64U);
    cr_assert_eq(sp_store_step(k.st), 36U);
    stop(&k);
}

/* A confirm of 1,024 messages counts as 1,024: a batch of them is cut, so that no transaction grows without
 * bound. */
Test(lmdb_writer, a_batch_is_bounded_by_work)
{
    struct kit k;
    enum { N = 8000, BOXES = 40 };
    static struct sp_store_req r[N];
    static struct sp_user users[BOXES];
    static char names[BOXES][8];
    start(&k, (struct sp_store_config){.manual = true});
    for (size_t b = 0; b < BOXES; b++) {
        (void)snprintf(names[b], sizeof(names[b]), "u%zu", b);
        users[b] = kit_user(names[b]);
    }
    for (int round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < N; i++) {
            r[i] = kit_append(&k, "a", (uint64_t)round * N + i + 1, "b", "x");
            r[i].to = &users[i % BOXES];
        }
        cr_assert_eq(sp_store_submit(k.port[0], r, N), 0);
        for (size_t i = 0; i < N; i++) {
            struct sp_store_done d = kit_next(&k, 0);
            cr_assert_eq(d.err, 0);
            kit_free(&k, &d);
        }
    }
    for (size_t b = 0; b < BOXES; b++) {
        r[b] = kit_on(&k, SP_STORE_CONFIRM, "b", 1000);
        r[b].to = &users[b];
    }
    cr_assert_eq(sp_store_submit(k.port[0], r, BOXES), 0);
    size_t first = sp_store_step(k.st);
    cr_assert(first > 10 && first < 20, "%zu confirms in one commit", first);
    size_t rest = 0;
    for (size_t n; (n = sp_store_step(k.st)) > 0;)
        rest += n;
    cr_assert_eq(first + rest, (size_t)BOXES);
    stop(&k);
}

Test(lmdb_writer, what_changes_nothing_commits_nothing)
{
    struct kit k;
    start(&k, (struct sp_store_config){0});
    kit_send(&k, "a", 1, "b", "x");
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 1), 0);
    uint64_t commits = stats(&k).commits;
    cr_assert(kit_want(&k, kit_append(&k, "a", 1, "b", "x"), 0).repeat);
    kit_want(&k, kit_append(&k, "a", 1, "b", "y"), SP_EREUSED);
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 1), 0);
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 2), SP_EHIGH);
    struct sp_store_req c = kit_on(&k, SP_STORE_CLAIM, "b", 0);
    c.holder = 1;
    kit_want(&k, c, 0);
    cr_assert_eq(stats(&k).commits, commits);
    stop(&k);
}

/* ---- a full map ---- */

/* Appends 40-KiB bodies one by one until the store is full; returns the first id that was refused. */
static uint64_t fill(struct kit *k, uint64_t id)
{
    for (;; id++) {
        struct sp_store_done d = kit_call(k, append_blob(k, id, 40000));
        int err = d.err;
        kit_free(k, &d);
        if (err) {
            cr_assert_eq(err, SP_ENOSPACE);
            return id;
        }
        cr_assert_lt(id, 10000U);
    }
}

Test(lmdb_writer, a_full_store_refuses_appends_alone_and_recovers)
{
    struct kit k;
    start(&k, (struct sp_store_config){.map_size = 8U << 20});
    uint64_t id = 1;
    for (int round = 0; round < 6; round++) {
        id = fill(&k, id);
        cr_assert(stats(&k).full);
        cr_assert_gt(kit_count(&k, 0, "b", 0), 0U);
        cr_assert(kit_want(&k, append_blob(&k, id - 1, 40000), 0).repeat);
        struct sp_store_done h = kit_head(&k, "b");
        cr_assert_eq(h.svr_seq.v, id - 1);
        kit_want(&k, kit_by(&k, SP_STORE_FINISH, "a", 1), 0);
        kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", h.svr_seq.v), 0);
        /* LMDB reuses pages two commits later. */
        kit_want(&k, kit_on(&k, SP_STORE_LIMIT, "c", 0), 0);
        kit_want(&k, kit_on(&k, SP_STORE_LIMIT, "c", 0), 0);
        kit_want(&k, append_blob(&k, id, 40000), 0);
        id++;
        cr_assert_not(stats(&k).full);
    }
    cr_assert_gt(id, 200U);
    stop(&k);
}

/* A batch that is too large for what is left is cut in halves until it fits; each answer is definite. */
Test(lmdb_writer, a_batch_larger_than_the_map)
{
    struct kit k;
    enum { N = 60 };
    start(&k, (struct sp_store_config){.map_size = 3U << 20, .manual = true});
    for (uint64_t id = 1; id <= N; id++) {
        struct sp_store_req r = append_blob(&k, id, SP_BODY_MAX);
        cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
    }
    struct sp_store_req confirm = kit_on(&k, SP_STORE_CONFIRM, "b", 0);
    cr_assert_eq(sp_store_submit(k.port[0], &confirm, 1), 0);
    uint32_t stored = 0;
    for (size_t i = 0; i <= N; i++) {
        struct sp_store_done d = kit_next(&k, 0);
        cr_assert(d.err == 0 || d.err == SP_ENOSPACE, "%d", d.err);
        if (d.op == SP_STORE_APPEND && d.err == 0)
            cr_assert_eq(d.seq.v, ++stored);
        if (d.op == SP_STORE_CONFIRM)
            cr_assert_eq(d.err, 0);
        kit_free(&k, &d);
    }
    cr_assert(stored > 10 && stored < 45, "%u stored", stored);
    cr_assert_not(stats(&k).failed);
    cr_assert_eq(kit_head(&k, "b").svr_seq.v, stored);
    stop(&k);
}
