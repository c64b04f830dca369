#include "lmdb_row.h"

#include "contract.h"
#include "poke.h"

static struct sp_engine *engine;
static struct sp_lmdb *db;
static struct sp_lmdb_txn txn;
static char dir[64];

static void setup(void)
{
    char url[90];
    static const struct sp_store_config cfg = {.map_size = KIT_MAP,
                                               .mailbox_count = 10,
                                               .mailbox_bytes = 1000,
                                               .share_percent = 50,
                                               .dedup_keep_us = KIT_DAY,
                                               .reserve_bytes = 1,
                                               .manual = true,
                                               .epoch = 7};
    (void)snprintf(dir, sizeof(dir), "/tmp/sampan-row-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(url, sizeof(url), "lmdb:%s", dir);
    cr_assert_eq(sp_engine_open(&engine, url, &cfg), 0);
    db = (struct sp_lmdb *)engine;
    cr_assert_eq(sp_lmdb_row_begin(&txn, db), 0);
}

static void teardown(void)
{
    sp_lmdb_row_abort(&txn);
    engine->ops->close(engine);
    (void)nftw(dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(lmdb_row, .init = setup, .fini = teardown);

static void next_txn(void)
{
    cr_assert_eq(sp_lmdb_row_commit(&txn), 0);
    cr_assert_eq(sp_lmdb_row_begin(&txn, db), 0);
}

Test(lmdb_row, put_get_del_seek)
{
    struct sp_lmdb_mkey m = poke_mkey("b");
    struct sp_lmdb_value v;
    struct sp_view data;
    struct sp_view value;
    for (uint32_t seq = 10; seq <= 30; seq += 10) {
        struct sp_lmdb_key key = sp_lmdb_key_box(&m, seq, 1);
        sp_lmdb_value_part(&v, (struct sp_view){(const uint8_t *)"part", 4});
        cr_assert_eq(sp_lmdb_row_put(&txn, SP_LMDB_BOX, &key, &v), 0);
    }
    struct sp_lmdb_key key = sp_lmdb_key_box(&m, 20, 1);
    cr_assert_eq(sp_lmdb_row_get(&txn, SP_LMDB_BOX, &key, &data), 0);
    cr_assert_eq(data.n, 4U);
    cr_assert_eq(sp_lmdb_row_del(&txn, SP_LMDB_BOX, &key), 0);
    cr_assert_eq(sp_lmdb_row_del(&txn, SP_LMDB_BOX, &key), 0);
    cr_assert_eq(sp_lmdb_row_get(&txn, SP_LMDB_BOX, &key, &data), SP_EAGAIN);
    key = sp_lmdb_key_box(&m, 11, 0);
    cr_assert_eq(sp_lmdb_row_seek(&txn, SP_LMDB_BOX, &key, &value), 0);
    cr_assert_eq(sp_lmdb_key_number(&key, SP_LMDB_MKEY_LEN, 4), 30U);
    cr_assert_eq(sp_lmdb_row_check(&txn, SP_LMDB_BOX, &key, value, &data), 0);
    key = sp_lmdb_key_box(&m, 31, 0);
    cr_assert_eq(sp_lmdb_row_seek(&txn, SP_LMDB_BOX, &key, &value), SP_EAGAIN);
}

Test(lmdb_row, cached_rows_are_written_back)
{
    struct sp_lmdb_usr *u;
    struct sp_lmdb_dev *d;
    struct sp_lmdb_share *s;
    struct sp_lmdb_mkey m[2];
    static const char *const names[2] = {"ann", "bob"};
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 2; i++) {
            struct sp_view id = {(const uint8_t *)names[i], 3};
            cr_assert_eq(sp_lmdb_row_usr_get(&txn, id, &m[i], &u), 0);
            cr_assert_eq(u->head, round * 2 + (round ? i : 0));
            u->head = (round + 1) * 2 + i;
            sp_lmdb_row_usr_dirty(&txn);
            cr_assert_eq(sp_lmdb_row_dev(&txn, &m[i], i, &d), 0);
            cr_assert_eq(d->last, round);
            d->last = round + 1;
            sp_lmdb_row_dev_dirty(&txn);
            cr_assert_eq(sp_lmdb_row_share(&txn, &m[0], &m[i], &s), 0);
            cr_assert_eq(s->count, round);
            s->count = round + 1;
            sp_lmdb_row_share_dirty(&txn);
        }
        next_txn();
    }
    cr_assert_eq(sp_lmdb_row_usr(&txn, &m[1], &u), 0);
    cr_assert_eq(u->head, 7U);
    cr_assert_eq(memcmp(u->id.p, "bob", 3), 0);
}

Test(lmdb_row, a_share_of_nothing_has_no_row)
{
    struct sp_lmdb_mkey m = poke_mkey("b");
    struct sp_lmdb_key key = sp_lmdb_key_share(&m, &m);
    struct sp_lmdb_share *s;
    struct sp_view data;
    for (uint32_t count = 2; count-- > 0;) {
        cr_assert_eq(sp_lmdb_row_share(&txn, &m, &m, &s), 0);
        s->count = count;
        sp_lmdb_row_share_dirty(&txn);
        next_txn();
        cr_assert_eq(sp_lmdb_row_get(&txn, SP_LMDB_SHARE, &key, &data), count ? 0 : SP_EAGAIN);
    }
}

Test(lmdb_row, an_unknown_mailbox_is_made_only_when_changed)
{
    struct sp_lmdb_mkey m;
    struct sp_lmdb_usr *u;
    struct sp_view id = {(const uint8_t *)"new", 3};
    cr_assert_eq(sp_lmdb_row_usr_get(&txn, id, &m, &u), 0);
    size_t before = mdb_txn_id(txn.txn);
    next_txn();
    cr_assert_eq(mdb_txn_id(txn.txn), before, "nothing was committed");
    cr_assert_eq(sp_lmdb_row_usr(&txn, &m, &u), SP_EAGAIN);
}

/* Two ids with one key cannot be made, so the row is given another id. */
Test(lmdb_row, an_mkey_of_another_id_is_refused)
{
    struct sp_lmdb_mkey m = poke_mkey("new");
    struct sp_lmdb_usr other = {.id = {(const uint8_t *)"odd", 3}, .head = 3};
    struct sp_lmdb_key key = sp_lmdb_key_usr(&m);
    struct sp_lmdb_value v;
    struct sp_lmdb_usr *u;
    sp_lmdb_value_usr(&v, &other);
    cr_assert_eq(sp_lmdb_row_put(&txn, SP_LMDB_USR, &key, &v), 0);
    cr_assert_eq(sp_lmdb_row_usr_get(&txn, (struct sp_view){(const uint8_t *)"new", 3}, &m, &u), SP_ECORRUPT);
}

Test(lmdb_row, meta_numbers)
{
    uint64_t number;
    cr_assert_eq(sp_lmdb_row_number(&txn, "boot", &number), 0);
    cr_assert_eq(number, 1U);
    cr_assert_eq(sp_lmdb_row_number(&txn, "nothing", &number), SP_EAGAIN);
    cr_assert_eq(sp_lmdb_row_number_put(&txn, "boot", UINT64_MAX), 0);
    cr_assert_eq(sp_lmdb_row_number(&txn, "boot", &number), 0);
    cr_assert_eq(number, UINT64_MAX);
}

Test(lmdb_row, after_a_fatal_error_nothing_works)
{
    struct sp_lmdb_mkey m = poke_mkey("b");
    struct sp_lmdb_key key = sp_lmdb_key_usr(&m);
    struct sp_lmdb_value v;
    struct sp_view data;
    struct sp_lmdb_usr *u;
    sp_lmdb_value_number(&v, 1);
    txn.fatal = MDB_MAP_FULL;
    cr_assert_eq(sp_lmdb_row_get(&txn, SP_LMDB_USR, &key, &data), SP_EIO);
    cr_assert_eq(sp_lmdb_row_put(&txn, SP_LMDB_USR, &key, &v), SP_EIO);
    cr_assert_eq(sp_lmdb_row_del(&txn, SP_LMDB_USR, &key), SP_EIO);
    cr_assert_eq(sp_lmdb_row_seek(&txn, SP_LMDB_USR, &key, &data), SP_EIO);
    cr_assert_eq(sp_lmdb_row_usr_get(&txn, (struct sp_view){(const uint8_t *)"b", 1}, &m, &u), SP_EIO);
    cr_assert_eq(sp_lmdb_row_commit(&txn), MDB_MAP_FULL);
    cr_assert_null(txn.txn);
}
