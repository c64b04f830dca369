/* Damage for tests: opens the LMDB file of a closed store and changes or removes single rows. */
#ifndef SP_TEST_POKE_H
#define SP_TEST_POKE_H

#include "lmdb_key.h"

#include <criterion/criterion.h>
#include <lmdb.h>
#include <string.h>

/* What to do with the row: changes value (n bytes, the head is not sealed again) and returns true, or returns
 * false to have it removed. */
typedef bool poke_fn(uint8_t *value, size_t n);

static inline bool poke_flip(uint8_t *value, size_t n)
{
    value[n - 1] ^= 1;
    return true;
}

static inline bool poke_remove(uint8_t *value, size_t n)
{
    (void)value;
    (void)n;
    return false;
}

struct poke {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
};

static inline struct poke poke_open(const char *dir, const char *tree)
{
    struct poke p;
    cr_assert_eq(mdb_env_create(&p.env), 0);
    cr_assert_eq(mdb_env_set_maxdbs(p.env, 16), 0);
    cr_assert_eq(mdb_env_set_mapsize(p.env, 256U << 20), 0);
    cr_assert_eq(mdb_env_open(p.env, dir, 0, 0600), 0);
    cr_assert_eq(mdb_txn_begin(p.env, NULL, 0, &p.txn), 0);
    cr_assert_eq(mdb_dbi_open(p.txn, tree, 0, &p.dbi), 0);
    return p;
}

static inline void poke_close(struct poke *p)
{
    cr_assert_eq(mdb_txn_commit(p->txn), 0);
    mdb_env_close(p->env);
}

static inline void poke_apply(struct poke *p, MDB_val *key, const MDB_val *value, poke_fn *fn)
{
    uint8_t copy[SP_LMDB_VALUE_MAX];
    cr_assert_leq(value->mv_size, sizeof(copy));
    memcpy(copy, value->mv_data, value->mv_size);
    MDB_val changed = {value->mv_size, copy};
    if (fn(copy, value->mv_size))
        cr_assert_eq(mdb_put(p->txn, p->dbi, key, &changed, 0), 0);
    else
        cr_assert_eq(mdb_del(p->txn, p->dbi, key, NULL), 0);
}

/* Applies fn to one row. */
static inline void poke_row(const char *dir, const char *tree, const struct sp_lmdb_key *key, poke_fn *fn)
{
    struct poke p = poke_open(dir, tree);
    uint8_t copy[sizeof(key->b)];
    memcpy(copy, key->b, key->n);
    MDB_val k = {key->n, copy};
    MDB_val v;
    cr_assert_eq(mdb_get(p.txn, p.dbi, &k, &v), 0, "no such row in %s", tree);
    poke_apply(&p, &k, &v, fn);
    poke_close(&p);
}

/* Rows in a tree. */
static inline size_t poke_count(const char *dir, const char *tree)
{
    struct poke p = poke_open(dir, tree);
    MDB_stat stat;
    cr_assert_eq(mdb_stat(p.txn, p.dbi, &stat), 0);
    poke_close(&p);
    return stat.ms_entries;
}

static inline struct sp_lmdb_mkey poke_mkey(const char *user)
{
    return sp_lmdb_mkey((struct sp_view){(const uint8_t *)user, strlen(user)});
}

#endif
