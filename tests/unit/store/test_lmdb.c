/* lmdb.c: opening, versions, damage at opening; reads on the port's thread. */
#include "contract.h"
#include "poke.h"

static void start(struct kit *k)
{
    *k = (struct kit){.engine = KIT_LMDB, .wall_us = KIT_T0};
    kit_folder(k);
    kit_start(k, NULL);
}

static void stop(struct kit *k)
{
    sp_store_close(&k->st);
    (void)nftw(k->dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static int open_again(struct kit *k)
{
    k->reason[0] = '\0';
    return sp_store_open(&k->st, k->url, &k->cfg);
}

Test(lmdb, the_epoch_is_drawn_once)
{
    struct kit k = {.engine = KIT_LMDB, .wall_us = KIT_T0};
    uint64_t epochs[2];
    for (size_t i = 0; i < 2; i++) {
        kit_folder(&k);
        (void)snprintf(k.url, sizeof(k.url), "lmdb:%s", k.dir);
        k.cfg = (struct sp_store_config){.map_size = KIT_MAP};
        kit_open(&k);
        epochs[i] = kit_head(&k, "b").epoch.v;
        cr_assert_neq(epochs[i], 0U);
        kit_reopen(&k);
        cr_assert_eq(kit_head(&k, "b").epoch.v, epochs[i]);
        stop(&k);
    }
    cr_assert_neq(epochs[0], epochs[1]);
}

static bool other_schema(uint8_t *value, size_t n)
{
    struct sp_lmdb_value v;
    (void)n;
    sp_lmdb_value_number(&v, SP_LMDB_SCHEMA + 1);
    struct sp_lmdb_key key = sp_lmdb_key_meta("schema");
    sp_lmdb_value_seal(&v, SP_LMDB_META, (struct sp_view){key.b, key.n});
    memcpy(value, v.b, v.n);
    return true;
}

Test(lmdb, an_unknown_schema_is_refused)
{
    struct kit k;
    start(&k);
    sp_store_close(&k.st);
    struct sp_lmdb_key key = sp_lmdb_key_meta("schema");
    poke_row(k.dir, "meta", &key, other_schema);
    cr_assert_eq(open_again(&k), SP_EVERSION);
    cr_assert_not_null(strstr(k.reason, "schema"));
    stop(&k);
}

Test(lmdb, damaged_meta_rows_are_refused)
{
    static const char *const rows[] = {"schema", "epoch", "boot", "clock"};
    static poke_fn *const damage[] = {poke_flip, poke_remove};
    for (size_t i = 0; i < 8; i++) {
        struct kit k;
        start(&k);
        sp_store_close(&k.st);
        struct sp_lmdb_key key = sp_lmdb_key_meta(rows[i % 4]);
        poke_row(k.dir, "meta", &key, damage[i / 4]);
        cr_assert_eq(open_again(&k), SP_ECORRUPT, "%s", rows[i % 4]);
        cr_assert_not_null(strstr(k.reason, rows[i % 4]));
        stop(&k);
    }
}

Test(lmdb, a_foreign_environment_is_refused)
{
    struct kit k = {.engine = KIT_LMDB};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val one = {3, "key"};
    kit_folder(&k);
    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_open(env, k.dir, 0, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    cr_assert_eq(mdb_put(txn, dbi, &one, &one, 0), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    (void)snprintf(k.url, sizeof(k.url), "lmdb:%s", k.dir);
    k.cfg = (struct sp_store_config){.map_size = KIT_MAP, .reason = k.reason, .reason_cap = sizeof(k.reason)};
    cr_assert_eq(open_again(&k), SP_EVERSION);
    cr_assert_not_null(strstr(k.reason, "no Sampan store"));
    stop(&k);
}

/* An environment without trees: LMDB was created, our first commit did not come. */
Test(lmdb, an_unfinished_creation_is_finished)
{
    struct kit k = {.engine = KIT_LMDB, .wall_us = KIT_T0};
    MDB_env *env;
    kit_folder(&k);
    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_open(env, k.dir, 0, 0600), 0);
    mdb_env_close(env);
    kit_start(&k, NULL);
    kit_send(&k, "a", 1, "b", "x");
    stop(&k);
}

Test(lmdb, a_smaller_map_still_holds_the_file)
{
    struct kit k;
    start(&k);
    char body[1001];
    memset(body, 'x', 1000);
    body[1000] = '\0';
    for (uint64_t id = 1; id <= 2000; id++)
        kit_send(&k, "a", id, id % 2 ? "b" : "c", body);
    sp_store_close(&k.st);
    k.cfg.map_size = 1U << 20;
    k.cfg.reserve_bytes = 0;
    kit_open(&k);
    cr_assert_eq(kit_count(&k, 0, "b", 0), 1000U);
    kit_want(&k, kit_append(&k, "a", 9999, "b", "x"), SP_ENOSPACE);
    stop(&k);
}

/* The descriptor is readable whenever something waits, and only then. */
static bool readable(struct sp_store_port *p)
{
    struct pollfd pfd = {.fd = sp_store_wake_fd(p), .events = POLLIN};
    return poll(&pfd, 1, 0) == 1;
}

Test(lmdb, the_descriptor_tells)
{
    struct kit k;
    struct sp_store_done d[4];
    size_t n;
    start(&k);
    sp_store_close(&k.st);
    k.cfg.manual = true;
    kit_open(&k);
    cr_assert_not(readable(k.port[0]));
    struct sp_store_req r = kit_append(&k, "a", 1, "b", "x");
    cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
    cr_assert_not(readable(k.port[0]));
    cr_assert_eq(sp_store_step(k.st), 1U);
    cr_assert(readable(k.port[0]));
    cr_assert_not(readable(k.port[1]));
    cr_assert_eq(sp_store_poll(k.port[0], d, 4, &n, 0), 0);
    cr_assert_eq(n, 1U);
    kit_free(&k, &d[0]);
    cr_assert_not(readable(k.port[0]));
    /* Reads and bad requests need no writer. */
    struct sp_store_req reads[3] = {kit_on(&k, SP_STORE_RANGE, "b", 0), kit_on(&k, SP_STORE_HEAD, "b", 0),
                                    kit_append(&k, "a", 0, "b", "x")};
    cr_assert_eq(sp_store_submit(k.port[0], reads, 3), 0);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(readable(k.port[0]), "%zu", i);
        cr_assert_eq(sp_store_poll(k.port[0], d, 1, &n, 0), 0);
        cr_assert_eq(n, 1U);
        kit_free(&k, &d[0]);
    }
    cr_assert_not(readable(k.port[0]));
    stop(&k);
}

Test(lmdb, many_reads_are_answered_in_pieces)
{
    struct kit k;
    struct sp_store_done d[256];
    size_t n;
    size_t total = 0;
    start(&k);
    kit_send(&k, "a", 1, "b", "x");
    struct sp_store_req r = kit_on(&k, SP_STORE_RANGE, "b", 0);
    for (size_t i = 0; i < 200; i++)
        cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
    for (size_t rounds = 0; total < 200; rounds++) {
        cr_assert_lt(rounds, 10U);
        cr_assert(readable(k.port[0]));
        cr_assert_eq(sp_store_poll(k.port[0], d, 256, &n, 0), 0);
        cr_assert_leq(n, 64U);
        total += n;
        kit_free_many(&k, d, n);
    }
    cr_assert_not(readable(k.port[0]));
    stop(&k);
}
