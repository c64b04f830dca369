/* Rows and files that are whole and yet none of ours: of another length, version or owner.  What they say is
 * not served, and their neighbors are not harmed. */
#include "contract.h"
#include "crc32c.h"
#include "poke.h"

#include <sys/stat.h>
#include <unistd.h>

static void start(struct kit *k)
{
    struct sp_store_config cfg = {.manual = true, .map_size = 16U << 20};
    *k = (struct kit){.engine = KIT_LMDB, .wall_us = KIT_T0};
    kit_folder(k);
    kit_start(k, &cfg);
    for (uint64_t id = 1; id <= 6; id++)
        kit_send(k, "a", id, "b", "body");
}

static void stop(struct kit *k)
{
    sp_store_close(&k->st);
    (void)nftw(k->dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static uint64_t corrupt(struct kit *k)
{
    struct sp_store_stats s;
    sp_store_stats(k->st, &s);
    return s.corrupt;
}

/* Writes these bytes under the key, as they are. */
static void write_raw(struct kit *k, const char *tree, struct sp_lmdb_key key, const void *p, size_t n)
{
    static uint8_t copy[4096];
    sp_store_close(&k->st);
    struct poke poke = poke_open(k->dir, tree);
    cr_assert_leq(n, sizeof(copy));
    memcpy(copy, p, n);
    MDB_val name = {key.n, key.b};
    MDB_val value = {n, copy};
    cr_assert_eq(mdb_put(poke.txn, poke.dbi, &name, &value, 0), 0);
    poke_close(&poke);
    kit_open(k);
}

/* The same, sealed as a row of this tree. */
static void write_row(struct kit *k, enum sp_lmdb_tree tree, struct sp_lmdb_key key, struct sp_lmdb_value *v)
{
    static const char *const names[SP_LMDB_TREES] = {"meta", "usr", "dev", "dedup", "box", "tomb", "share"};
    sp_lmdb_value_seal(v, tree, (struct sp_view){key.b, key.n});
    write_raw(k, names[tree], key, v->b, v->n);
}

/* A sealed row of one byte, which is too short for every tree. */
static void write_stub(struct kit *k, enum sp_lmdb_tree tree, struct sp_lmdb_key key)
{
    static const uint8_t one[1] = {7};
    struct sp_lmdb_value v;
    sp_lmdb_value_part(&v, (struct sp_view){one, 1});
    write_row(k, tree, key, &v);
}

/* RANGE has all but one seq, which is corrupt. */
static void check_one_corrupt(struct kit *k, uint32_t seq)
{
    struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", 0));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.entries_n, 5U);
    for (size_t i = 0; i < d.entries_n; i++)
        cr_assert(kit_same(d.entries[i].body, "body"));
    cr_assert_eq(d.skips_n, 1U);
    cr_assert_eq(d.skips[0].lo.v, seq);
    cr_assert_eq(d.skips[0].hi.v, seq);
    cr_assert_eq(d.skips[0].why, SP_STORE_WHY_CORRUPT);
    kit_free(k, &d);
}

static struct sp_store_req trim(struct kit *k, uint32_t lo, uint32_t hi)
{
    static struct sp_store_span span;
    span = (struct sp_store_span){{lo}, {hi}, SP_STORE_WHY_DELETED};
    struct sp_store_req r = kit_on(k, SP_STORE_TRIM, "b", 0);
    r.spans = &span;
    r.spans_n = 1;
    return r;
}

Test(lmdb_odd, values_that_are_no_values)
{
    struct sp_lmdb_mkey m = poke_mkey("b");
    static const uint8_t bytes[SP_LMDB_VALUE_MAX + 1];
    static const size_t lengths[] = {1, SP_LMDB_HEAD_LEN - 1, SP_LMDB_VALUE_MAX + 1};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct kit k;
        start(&k);
        write_raw(&k, "box", sp_lmdb_key_box(&m, 3, 0), bytes, lengths[i]);
        check_one_corrupt(&k, 3);
        cr_assert_gt(corrupt(&k), 0U);
        stop(&k);
    }
}

/* A row that another version has written: its sum is right, its version is not. */
Test(lmdb_odd, a_row_of_another_version_or_tree)
{
    enum { VERSION_AT = 4, KIND_AT = 5 };
    for (size_t at = VERSION_AT; at <= KIND_AT; at++) {
        struct kit k;
        struct sp_lmdb_mkey m = poke_mkey("b");
        struct sp_lmdb_key key = sp_lmdb_key_box(&m, 3, 1);
        struct sp_lmdb_value v;
        start(&k);
        sp_lmdb_value_part(&v, kit_text("body"));
        sp_lmdb_value_seal(&v, SP_LMDB_BOX, (struct sp_view){key.b, key.n});
        v.b[at]++;
        uint32_t crc = sp_crc32c(sp_crc32c(0, key.b, key.n), v.b + 4, v.n - 4);
        for (int i = 0; i < 4; i++)
            v.b[i] = (uint8_t)(crc >> (24 - 8 * i));
        write_raw(&k, "box", key, v.b, v.n);
        check_one_corrupt(&k, 3);
        stop(&k);
    }
}

Test(lmdb_odd, a_part_of_another_length)
{
    struct kit k;
    struct sp_lmdb_mkey m = poke_mkey("b");
    start(&k);
    write_stub(&k, SP_LMDB_BOX, sp_lmdb_key_box(&m, 3, 1));
    check_one_corrupt(&k, 3);
    stop(&k);
}

Test(lmdb_odd, a_message_without_its_fields)
{
    struct kit k;
    struct sp_lmdb_mkey m = poke_mkey("b");
    start(&k);
    write_stub(&k, SP_LMDB_BOX, sp_lmdb_key_box(&m, 3, 0));
    check_one_corrupt(&k, 3);
    struct sp_store_done d = kit_call(&k, trim(&k, 2, 4));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.entries_n, 2U, "it cannot be named");
    kit_free(&k, &d);
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 6), 0);
    cr_assert_eq(kit_head(&k, "b").count, 0U);
    stop(&k);
}

/* The end of a tombstone is its key, its begin is not known: only its last seq is surely gone. */
Test(lmdb_odd, a_tombstone_without_its_fields)
{
    struct kit k;
    struct sp_lmdb_mkey m = poke_mkey("b");
    start(&k);
    kit_want(&k, trim(&k, 3, 3), 0);
    write_stub(&k, SP_LMDB_TOMB, sp_lmdb_key_tomb(&m, 3));
    check_one_corrupt(&k, 3);
    kit_want(&k, trim(&k, 2, 2), 0);
    kit_want(&k, trim(&k, 4, 4), 0);
    struct sp_store_done d = kit_call(&k, kit_on(&k, SP_STORE_RANGE, "b", 0));
    cr_assert_eq(d.entries_n, 3U);
    cr_assert_eq(d.skips_n, 3U, "its neighbors do not take it in");
    cr_assert_eq(d.skips[1].why, SP_STORE_WHY_CORRUPT);
    kit_free(&k, &d);
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 6), 0);
    k.wall_us += 30 * KIT_DAY;
    for (int i = 0; i < 4; i++)
        kit_want(&k, kit_on(&k, SP_STORE_LIMIT, "b", 0), 0);
    cr_assert_eq(kit_head(&k, "b").confirmed.v, 6U, "the sweep passes it");
    stop(&k);
}

Test(lmdb_odd, a_dedup_row_without_its_fields)
{
    struct kit k;
    struct sp_lmdb_mkey a = poke_mkey("a");
    start(&k);
    write_stub(&k, SP_LMDB_DEDUP, sp_lmdb_key_dedup(&a, 1, 3));
    struct sp_store_done d = kit_call(&k, kit_by(&k, SP_STORE_STATUS, "a", 0));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.entries_n, 5U);
    kit_free(&k, &d);
    kit_want(&k, kit_append(&k, "a", 3, "b", "body"), SP_ECORRUPT);
    k.wall_us += 8 * KIT_DAY;
    for (int i = 0; i < 4; i++)
        kit_want(&k, kit_on(&k, SP_STORE_LIMIT, "c", 0), 0);
    d = kit_want(&k, kit_by(&k, SP_STORE_STATUS, "a", 0), 0);
    cr_assert_eq(d.finished.v, 6U, "the sweep goes on behind it");
    kit_want(&k, kit_append(&k, "a", 3, "b", "body"), SP_ECORRUPT);
    stop(&k);
}

/* A dedup row that names another place is not told what happens here. */
Test(lmdb_odd, a_dedup_row_of_another_message)
{
    for (int which = 0; which < 2; which++) {
        struct kit k;
        struct sp_lmdb_mkey a = poke_mkey("a");
        struct sp_lmdb_value v;
        start(&k);
        kit_send(&k, "z", 1, "c", "x");
        struct sp_lmdb_dedup row = {
            .to = poke_mkey(which ? "c" : "b"), .seq = which ? 3 : 4, .at_us = KIT_T0};
        sp_lmdb_value_dedup(&v, &row);
        write_row(&k, SP_LMDB_DEDUP, sp_lmdb_key_dedup(&a, 1, 3), &v);
        struct sp_store_done d = kit_call(&k, trim(&k, 3, 3));
        cr_assert_eq(d.entries_n, 1U);
        kit_free(&k, &d);
        cr_assert_eq(kit_state(&k, "a", 3), SP_STATE_ACCEPTED);
        cr_assert_eq(kit_state(&k, "a", 4), SP_STATE_ACCEPTED);
        stop(&k);
    }
}

/* Two ids with one key: the second is refused, for ever. */
Test(lmdb_odd, a_mailbox_of_another_id)
{
    static const char *const others[] = {"c", "bb"};
    for (size_t i = 0; i < 2; i++) {
        struct kit k;
        struct sp_lmdb_mkey m = poke_mkey("b");
        struct sp_lmdb_value v;
        start(&k);
        struct sp_lmdb_usr row = {.id = kit_text(others[i]), .head = 6};
        sp_lmdb_value_usr(&v, &row);
        write_row(&k, SP_LMDB_USR, sp_lmdb_key_usr(&m), &v);
        kit_want(&k, kit_append(&k, "a", 7, "b", "x"), SP_ECORRUPT);
        kit_want(&k, kit_on(&k, SP_STORE_LIMIT, "b", 0), SP_ECORRUPT);
        kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 1), SP_ECORRUPT);
        cr_assert_gt(corrupt(&k), 0U);
        kit_send(&k, "a", 8, "c", "others are not harmed");
        stop(&k);
    }
}

/* A mailbox row whose cursor lies above its head, or with an id of no length: damaged, and made anew. */
Test(lmdb_odd, a_mailbox_row_that_cannot_be)
{
    static const struct sp_lmdb_usr rows[] = {{.id = {(const uint8_t *)"b", 1}, .head = 5, .confirmed = 6},
                                              {.id = {(const uint8_t *)"b", 0}, .head = 6}};
    for (size_t i = 0; i < 2; i++) {
        struct kit k;
        struct sp_lmdb_mkey m = poke_mkey("b");
        struct sp_lmdb_value v;
        start(&k);
        sp_lmdb_value_usr(&v, &rows[i]);
        write_row(&k, SP_LMDB_USR, sp_lmdb_key_usr(&m), &v);
        struct sp_store_done h = kit_head(&k, "b");
        cr_assert_gt(h.svr_seq.v, 6U);
        cr_assert_eq(h.epoch.v, 7778U);
        cr_assert_eq(kit_count(&k, 0, "b", 0), 6U, "the messages are there");
        stop(&k);
    }
}

/* A damaged mailbox is made anew above everything it ever had, tombstones too, and never beyond the end of
 * the numbers. */
Test(lmdb_odd, a_mailbox_made_anew_above_its_tombstones)
{
    static const uint32_t ends[] = {100, UINT32_MAX};
    static const uint32_t heads[] = {100 + (1U << 20), UINT32_MAX};
    for (size_t i = 0; i < 2; i++) {
        struct kit k;
        struct sp_lmdb_mkey m = poke_mkey("b");
        struct sp_lmdb_tomb row = {.lo = 99, .why = SP_STORE_WHY_DELETED, .at_us = KIT_T0};
        struct sp_lmdb_value v;
        start(&k);
        sp_lmdb_value_tomb(&v, &row);
        write_row(&k, SP_LMDB_TOMB, sp_lmdb_key_tomb(&m, ends[i]), &v);
        write_stub(&k, SP_LMDB_USR, sp_lmdb_key_usr(&m));
        cr_assert_eq(kit_head(&k, "b").svr_seq.v, heads[i]);
        kit_want(&k, kit_append(&k, "z", 1, "b", "x"), i == 0 ? 0 : SP_ESEQ);
        cr_assert_eq(kit_count(&k, 0, "b", 0), i == 0 ? 7U : 6U);
        stop(&k);
    }
}

/* What the messages tell about the cursor of a damaged mailbox: one that has lost its body was confirmed; an
 * empty one, and one that is damaged itself, tell nothing. */
Test(lmdb_odd, a_mailbox_made_anew_from_its_messages)
{
    struct kit k;
    struct sp_lmdb_mkey m = poke_mkey("b");
    start(&k);
    kit_send(&k, "a", 7, "b", "");
    kit_send(&k, "a", 8, "b", "last");
    kit_want(&k, kit_on(&k, SP_STORE_CONFIRM, "b", 2), 0);
    write_stub(&k, SP_LMDB_BOX, sp_lmdb_key_box(&m, 4, 0));
    struct sp_lmdb_key flipped = sp_lmdb_key_box(&m, 5, 0);
    sp_store_close(&k.st);
    poke_row(k.dir, "box", &flipped, poke_flip);
    kit_open(&k);
    write_stub(&k, SP_LMDB_USR, sp_lmdb_key_usr(&m));
    struct sp_store_done h = kit_head(&k, "b");
    cr_assert_eq(h.confirmed.v, 2U);
    cr_assert_eq(h.svr_seq.v, 8U + (1U << 20));
    cr_assert_eq(kit_count(&k, 0, "b", 2), 4U, "3, 6, 7 and 8");
    stop(&k);
}

/* A key that no tree of ours can have is a damaged tree: nothing more is served from it. */
Test(lmdb_odd, a_key_that_is_too_long)
{
    struct kit k;
    struct sp_lmdb_mkey m = poke_mkey("b");
    static uint8_t name[64];
    start(&k);
    sp_store_close(&k.st);
    struct sp_lmdb_key first = sp_lmdb_key_box(&m, 1, 0);
    poke_row(k.dir, "box", &first, poke_remove);
    struct poke poke = poke_open(k.dir, "box");
    memcpy(name, first.b, first.n); /* so it is found in place of the first */
    MDB_val key = {sizeof(name), name};
    MDB_val value = {4, name};
    cr_assert_eq(mdb_put(poke.txn, poke.dbi, &key, &value, 0), 0);
    poke_close(&poke);
    kit_open(&k);
    kit_want(&k, kit_on(&k, SP_STORE_RANGE, "b", 0), SP_EFAILED);
    kit_want(&k, kit_append(&k, "a", 9, "b", "x"), SP_EFAILED);
    stop(&k);
}

/* The last key that there can be: the round of the sweep ends behind it. */
Test(lmdb_odd, the_sweep_ends_behind_the_last_key)
{
    struct kit k;
    struct sp_lmdb_key last = {.n = 28};
    static const uint8_t bytes[20];
    start(&k);
    memset(last.b, 0xff, sizeof(last.b));
    write_raw(&k, "dedup", last, bytes, sizeof(bytes));
    k.wall_us += 8 * KIT_DAY;
    for (int i = 0; i < 4; i++)
        kit_want(&k, kit_on(&k, SP_STORE_LIMIT, "c", 0), 0);
    cr_assert_eq(kit_want(&k, kit_by(&k, SP_STORE_STATUS, "a", 0), 0).finished.v, 6U);
    cr_assert_gt(corrupt(&k), 0U);
    stop(&k);
}

/* ---- files ---- */

static int try_open(struct kit *k)
{
    struct sp_store *st = NULL;
    k->reason[0] = '\0';
    int err = sp_store_open(&st, k->url, &k->cfg);
    sp_store_close(&st);
    return err;
}

static void file_of(const struct kit *k, char path[96])
{
    (void)snprintf(path, 96, "%s/data.mdb", k->dir);
}

Test(lmdb_odd, a_file_that_is_no_file)
{
    struct kit k;
    char path[96];
    start(&k);
    sp_store_close(&k.st);
    file_of(&k, path);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(try_open(&k), SP_EIO);
    cr_assert_not_null(strstr(k.reason, "regular"));
    stop(&k);
}

static void patch(const struct kit *k, long at, const void *p, size_t n)
{
    char path[96];
    file_of(k, path);
    FILE *f = fopen(path, "r+b");
    cr_assert_eq(fseek(f, at, SEEK_SET), 0);
    cr_assert_eq(fwrite(p, 1, n, f), n);
    cr_assert_eq(fclose(f), 0);
}

Test(lmdb_odd, meta_pages_that_cannot_be)
{
    enum { PAGE_SIZE_AT = 40, LAST_PAGE_AT = 136, TXN_AT = 144 };
    static const uint32_t sizes[] = {0, 256, 131072, 5000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct kit k;
        start(&k);
        sp_store_close(&k.st);
        patch(&k, PAGE_SIZE_AT, &sizes[i], sizeof(sizes[i]));
        cr_assert_eq(try_open(&k), SP_ECORRUPT, "page size %u", sizes[i]);
        stop(&k);
    }
    struct kit k;
    uint64_t huge = UINT64_MAX / 4096;
    uint64_t newest = UINT64_MAX;
    start(&k);
    sp_store_close(&k.st);
    patch(&k, LAST_PAGE_AT, &huge, sizeof(huge));
    patch(&k, TXN_AT, &newest, sizeof(newest));
    cr_assert_eq(try_open(&k), SP_ECORRUPT, "a last page beyond all numbers");
    stop(&k);
}

/* An LMDB file in which nothing is stored becomes a store; one of another program does not. */
Test(lmdb_odd, an_empty_file_of_lmdb)
{
    struct kit k;
    start(&k);
    sp_store_close(&k.st);
    for (int with_row = 0; with_row < 2; with_row++) {
        MDB_env *env;
        MDB_txn *txn;
        MDB_dbi dbi;
        char path[96];
        char text[] = "row";
        MDB_val v = {3, text};
        file_of(&k, path);
        cr_assert_eq(unlink(path), 0);
        cr_assert_eq(mdb_env_create(&env), 0);
        cr_assert_eq(mdb_env_open(env, k.dir, 0, 0600), 0);
        for (int step = 0; step < 2 - with_row; step++) {
            cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
            cr_assert_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
            cr_assert_eq(step == 0 ? mdb_put(txn, dbi, &v, &v, 0) : mdb_del(txn, dbi, &v, NULL), 0);
            cr_assert_eq(mdb_txn_commit(txn), 0);
        }
        mdb_env_close(env);
        cr_assert_eq(try_open(&k), with_row ? SP_EVERSION : 0, "%s", k.reason);
    }
    stop(&k);
}

/* An epoch that leaves no room for resets is replaced by a drawn one. */
Test(lmdb_odd, an_epoch_that_is_too_high)
{
    struct kit k = {.engine = KIT_LMDB, .wall_us = KIT_T0};
    struct sp_store_config cfg = {.manual = true, .epoch = UINT64_MAX, .reserve_bytes = 1U << 20};
    kit_folder(&k);
    kit_start(&k, &cfg);
    uint64_t epoch = kit_head(&k, "b").epoch.v;
    cr_assert(epoch > 0 && epoch <= INT64_MAX);
    kit_reopen(&k);
    cr_assert_eq(kit_head(&k, "b").epoch.v, epoch);
    stop(&k);
}

/* With a writer thread there is nothing for the caller to step. */
Test(lmdb_odd, a_step_beside_the_writer_thread)
{
    struct kit k = {.engine = KIT_LMDB, .wall_us = KIT_T0};
    kit_folder(&k);
    kit_start(&k, NULL);
    struct sp_store_req r = kit_append(&k, "a", 1, "b", "x");
    cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
    cr_assert_eq(sp_store_step(k.st), 0U);
    struct sp_store_done d = kit_next(&k, 0);
    cr_assert_eq(d.err, 0);
    kit_free(&k, &d);
    stop(&k);
}

/* One poll copies a bounded number of bytes; the descriptor says that there is more. */
Test(lmdb_odd, large_answers_come_in_several_polls)
{
    enum { RANGES = 8, BODIES = 17 };
    static uint8_t body[SP_BODY_MAX];
    struct kit k = {.engine = KIT_LMDB, .wall_us = KIT_T0};
    struct sp_store_config cfg = {.manual = true, .share_percent = 100, .map_size = 64U << 20};
    struct sp_store_done d[RANGES];
    size_t n = 0;
    kit_folder(&k);
    kit_start(&k, &cfg);
    for (uint64_t id = 1; id <= BODIES; id++) {
        struct sp_store_req r = kit_append(&k, "a", id, "b", "");
        r.body = (struct sp_view){body, sizeof(body)};
        kit_want(&k, r, 0);
    }
    for (size_t i = 0; i < RANGES; i++) {
        struct sp_store_req r = kit_on(&k, SP_STORE_RANGE, "b", 0);
        cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
    }
    cr_assert_eq(sp_store_poll(k.port[0], d, RANGES, &n, 0), 0);
    cr_assert(n > 1 && n < RANGES, "%zu", n);
    for (size_t done = n; done < RANGES; done += n) {
        struct pollfd pfd = {.fd = sp_store_wake_fd(k.port[0]), .events = POLLIN};
        kit_free_many(&k, d, n);
        cr_assert_eq(poll(&pfd, 1, 0), 1);
        cr_assert_eq(sp_store_poll(k.port[0], d, RANGES, &n, 0), 0);
        cr_assert_gt(n, 0U);
    }
    kit_free_many(&k, d, n);
    stop(&k);
}
