/* Rows in a transaction. */
#include "lmdb_row.h"

#include <string.h>

#define RESET_GAP    (1U << 20) /* seqs left out after a damaged mailbox row: above all that were ever given */
#define CHANGE_BYTES 12288U     /* three pages */
#define ROW_BYTES    16U        /* of a row beside key and value */

void sp_lmdb_row_note_corrupt(struct sp_lmdb_txn *t)
{
    (void)atomic_fetch_add(&t->db->corrupt, 1);
}

/* ---- plain rows ---- */

static int fatal(struct sp_lmdb_txn *t, int rc)
{
    if (!t->fatal)
        t->fatal = rc;
    return SP_EIO;
}

static MDB_val val_of(const void *p, size_t n)
{
    /* LMDB takes pointers to mutable bytes and leaves keys and input values alone. */
    union {
        const void *in;
        void *out;
    } u = {.in = p};
    return (MDB_val){.mv_size = n, .mv_data = u.out};
}

static struct sp_view view_of(const MDB_val *v)
{
    return (struct sp_view){v->mv_data, v->mv_size};
}

int sp_lmdb_row_check(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key,
                      struct sp_view value, struct sp_view *data)
{
    int err = sp_lmdb_value_open(tree, (struct sp_view){key->b, key->n}, value, data);
    if (err) {
        sp_lmdb_row_note_corrupt(t);
        return SP_ECORRUPT;
    }
    return 0;
}

int sp_lmdb_row_get(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key,
                    struct sp_view *data)
{
    if (t->fatal)
        return SP_EIO;
    MDB_val k = val_of(key->b, key->n);
    MDB_val v;
    int rc = mdb_get(t->txn, t->db->dbi[tree], &k, &v);
    if (rc == MDB_NOTFOUND)
        return SP_EAGAIN;
    if (rc)
        return fatal(t, rc);
    return sp_lmdb_row_check(t, tree, key, view_of(&v), data);
}

/* Counts the pages that a change may take: a neighbor of the last one lies in a page that is changed already,
 * or in its split; elsewhere a leaf, its sibling and their parent are changed. */
static void count_pages(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key,
                        size_t n)
{
    struct sp_lmdb_mkey *last = &t->last[tree];
    size_t width = key->n < sizeof(last->b) ? key->n : sizeof(last->b);
    bool is_near = memcmp(last->b, key->b, width) == 0;
    t->pages_bytes += is_near ? 2 * n : CHANGE_BYTES;
    memcpy(last->b, key->b, width);
}

int sp_lmdb_row_put(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key,
                    struct sp_lmdb_value *v)
{
    if (t->fatal)
        return SP_EIO;
    sp_lmdb_value_seal(v, tree, (struct sp_view){key->b, key->n});
    MDB_val k = val_of(key->b, key->n);
    MDB_val data = val_of(v->b, v->n);
    count_pages(t, tree, key, key->n + v->n + ROW_BYTES);
    int rc = mdb_put(t->txn, t->db->dbi[tree], &k, &data, 0);
    t->changed = true;
    return rc ? fatal(t, rc) : 0;
}

int sp_lmdb_row_del(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key)
{
    if (t->fatal)
        return SP_EIO;
    MDB_val k = val_of(key->b, key->n);
    count_pages(t, tree, key, ROW_BYTES); /* a page that gets empty serves the next one */
    int rc = mdb_del(t->txn, t->db->dbi[tree], &k, NULL);
    if (rc == MDB_NOTFOUND)
        return 0;
    t->changed = true;
    return rc ? fatal(t, rc) : 0;
}

/* True if LMDB found a key below the one asked for: its page is out of order, and a walk over it might never
 * end. */
static bool is_below(const MDB_val *found, const struct sp_lmdb_key *asked)
{
    size_t n = found->mv_size < asked->n ? found->mv_size : asked->n;
    int order = memcmp(found->mv_data, asked->b, n);
    return order < 0 || (order == 0 && found->mv_size < asked->n);
}

int sp_lmdb_row_seek(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, struct sp_lmdb_key *key,
                     struct sp_view *value)
{
    if (t->fatal)
        return SP_EIO;
    MDB_cursor *c;
    int rc = mdb_cursor_open(t->txn, t->db->dbi[tree], &c);
    if (rc)
        return fatal(t, rc);
    MDB_val k = val_of(key->b, key->n);
    MDB_val v;
    rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    mdb_cursor_close(c);
    if (rc == MDB_NOTFOUND)
        return SP_EAGAIN;
    if (rc)
        return fatal(t, rc);
    if (k.mv_size > sizeof(key->b) || is_below(&k, key))
        return fatal(t, MDB_CORRUPTED);
    memcpy(key->b, k.mv_data, k.mv_size);
    key->n = k.mv_size;
    *value = view_of(&v);
    return 0;
}

int sp_lmdb_row_number(struct sp_lmdb_txn *t, const char *name, uint64_t *number)
{
    struct sp_lmdb_key key = sp_lmdb_key_meta(name);
    struct sp_view data;
    int err = sp_lmdb_row_get(t, SP_LMDB_META, &key, &data);
    return err ? err : sp_lmdb_data_number(data, number);
}

int sp_lmdb_row_number_put(struct sp_lmdb_txn *t, const char *name, uint64_t number)
{
    struct sp_lmdb_key key = sp_lmdb_key_meta(name);
    struct sp_lmdb_value v;
    sp_lmdb_value_number(&v, number);
    return sp_lmdb_row_put(t, SP_LMDB_META, &key, &v);
}

int sp_lmdb_row_dedup(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t device,
                      struct sp_msgid id, struct sp_lmdb_dedup *row)
{
    struct sp_lmdb_key key = sp_lmdb_key_dedup(m, device, id.v);
    struct sp_view data;
    int err = sp_lmdb_row_get(t, SP_LMDB_DEDUP, &key, &data);
    return err ? err : sp_lmdb_data_dedup(data, row);
}

/* ---- caches ---- */

static bool same(const struct sp_lmdb_mkey *a, const struct sp_lmdb_mkey *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static int flush_usr(struct sp_lmdb_txn *t)
{
    if (!t->usr.dirty)
        return 0;
    t->usr.dirty = false;
    struct sp_lmdb_key key = sp_lmdb_key_usr(&t->usr.mkey);
    struct sp_lmdb_value v;
    sp_lmdb_value_usr(&v, &t->usr.row);
    return sp_lmdb_row_put(t, SP_LMDB_USR, &key, &v);
}

static int flush_dev(struct sp_lmdb_txn *t)
{
    if (!t->dev.dirty)
        return 0;
    t->dev.dirty = false;
    struct sp_lmdb_key key = sp_lmdb_key_dev(&t->dev.mkey, t->dev.device);
    struct sp_lmdb_value v;
    sp_lmdb_value_dev(&v, &t->dev.row);
    return sp_lmdb_row_put(t, SP_LMDB_DEV, &key, &v);
}

static int flush_share(struct sp_lmdb_txn *t)
{
    if (!t->share.dirty)
        return 0;
    t->share.dirty = false;
    struct sp_lmdb_key key = sp_lmdb_key_share(&t->share.box, &t->share.sender);
    if (t->share.row.count == 0)
        return sp_lmdb_row_del(t, SP_LMDB_SHARE, &key);
    struct sp_lmdb_value v;
    sp_lmdb_value_share(&v, &t->share.row);
    return sp_lmdb_row_put(t, SP_LMDB_SHARE, &key, &v);
}

static void usr_set(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, const struct sp_lmdb_usr *row)
{
    t->usr.there = true;
    t->usr.mkey = *m;
    t->usr.row = *row;
    memcpy(t->usr.id, row->id.p, row->id.n);
    t->usr.row.id.p = t->usr.id;
}

int sp_lmdb_row_usr(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr **row)
{
    if (!t->usr.there || !same(&t->usr.mkey, m)) {
        int err = flush_usr(t);
        if (err)
            return err;
        t->usr.there = false;
        struct sp_lmdb_key key = sp_lmdb_key_usr(m);
        struct sp_view data;
        struct sp_lmdb_usr got;
        err = sp_lmdb_row_get(t, SP_LMDB_USR, &key, &data);
        if (!err)
            err = sp_lmdb_data_usr(data, &got);
        if (err)
            return err;
        usr_set(t, m, &got);
    }
    *row = &t->usr.row;
    return 0;
}

/* The highest seq that any row of mailbox m names, and the highest that was surely confirmed: a message
 * without its body parts. */
static int highest(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr *row)
{
    struct sp_lmdb_key key = sp_lmdb_key_box(m, 0, 0);
    struct sp_view value;
    uint32_t bare = 0; /* last part 0 seen whose first part is not yet seen */
    int err;
    while (!(err = sp_lmdb_row_seek(t, SP_LMDB_BOX, &key, &value)) &&
           memcmp(key.b, m->b, sizeof(m->b)) == 0) {
        uint32_t seq = (uint32_t)sp_lmdb_key_number(&key, SP_LMDB_MKEY_LEN, 4);
        uint8_t part = (uint8_t)sp_lmdb_key_number(&key, SP_LMDB_MKEY_LEN + 4, 1);
        struct sp_view data;
        struct sp_lmdb_msg msg;
        row->head = seq;
        if (bare && bare != seq)
            row->confirmed = bare;
        bare = 0;
        if (part == 0 && sp_lmdb_value_open(SP_LMDB_BOX, (struct sp_view){key.b, key.n}, value, &data) == 0 &&
            sp_lmdb_data_msg(data, &msg) == 0 && msg.body_n > 0)
            bare = seq;
        key = sp_lmdb_key_box(m, part == UINT8_MAX ? seq + 1 : seq, (uint8_t)(part + 1));
    }
    if (bare)
        row->confirmed = bare;
    return err == SP_EAGAIN ? 0 : err;
}

/* The highest tombstone of mailbox m raises row->head. */
static int highest_tomb(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr *row)
{
    struct sp_lmdb_key key = sp_lmdb_key_tomb(m, 0);
    struct sp_view value;
    int err;
    while (!(err = sp_lmdb_row_seek(t, SP_LMDB_TOMB, &key, &value)) &&
           memcmp(key.b, m->b, sizeof(m->b)) == 0) {
        uint32_t hi = (uint32_t)sp_lmdb_key_number(&key, SP_LMDB_MKEY_LEN, 4);
        if (row->head < hi)
            row->head = hi;
        if (hi == UINT32_MAX)
            return 0;
        key = sp_lmdb_key_tomb(m, hi + 1);
    }
    return err == SP_EAGAIN ? 0 : err;
}

/* A damaged mailbox row: the epoch changes, and seqs go on far above all that are found.  What lies between
 * reads as corrupt. */
static int repair(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr *row)
{
    uint64_t resets = 0;
    int err = sp_lmdb_row_number(t, "resets", &resets);
    if (err == SP_EAGAIN)
        err = 0;
    if (!err)
        err = highest(t, m, row);
    if (!err)
        err = highest_tomb(t, m, row);
    if (!err)
        err = sp_lmdb_row_number_put(t, "resets", ++resets);
    row->resets = resets;
    row->head = row->head < UINT32_MAX - RESET_GAP ? row->head + RESET_GAP : UINT32_MAX;
    return err;
}

int sp_lmdb_row_usr_get(struct sp_lmdb_txn *t, struct sp_view id, struct sp_lmdb_mkey *m,
                        struct sp_lmdb_usr **row)
{
    *m = sp_lmdb_mkey(id);
    int err = sp_lmdb_row_usr(t, m, row);
    if (err == SP_EAGAIN || err == SP_ECORRUPT) {
        struct sp_lmdb_usr fresh = {
            .id = id, .head = t->db->cfg.head_start, .confirmed = t->db->cfg.head_start};
        bool damaged = err == SP_ECORRUPT;
        if (damaged && (err = repair(t, m, &fresh)) != 0)
            return err;
        usr_set(t, m, &fresh);
        t->usr.dirty = damaged;
        *row = &t->usr.row;
        return 0;
    }
    if (err)
        return err;
    if ((*row)->id.n != id.n || memcmp((*row)->id.p, id.p, id.n) != 0) {
        sp_lmdb_row_note_corrupt(t);
        return SP_ECORRUPT;
    }
    return 0;
}

void sp_lmdb_row_usr_dirty(struct sp_lmdb_txn *t)
{
    t->usr.dirty = true;
}

int sp_lmdb_row_dev(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t device,
                    struct sp_lmdb_dev **row)
{
    if (!t->dev.there || t->dev.device != device || !same(&t->dev.mkey, m)) {
        int err = flush_dev(t);
        if (err)
            return err;
        t->dev.there = false;
        struct sp_lmdb_key key = sp_lmdb_key_dev(m, device);
        struct sp_view data;
        struct sp_lmdb_dev got = {0};
        err = sp_lmdb_row_get(t, SP_LMDB_DEV, &key, &data);
        if (!err)
            err = sp_lmdb_data_dev(data, &got);
        if (err && err != SP_EAGAIN)
            return err;
        t->dev.there = true;
        t->dev.mkey = *m;
        t->dev.device = device;
        t->dev.row = got;
    }
    *row = &t->dev.row;
    return 0;
}

void sp_lmdb_row_dev_dirty(struct sp_lmdb_txn *t)
{
    t->dev.dirty = true;
}

int sp_lmdb_row_share(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *box,
                      const struct sp_lmdb_mkey *sender, struct sp_lmdb_share **row)
{
    if (!t->share.there || !same(&t->share.box, box) || !same(&t->share.sender, sender)) {
        int err = flush_share(t);
        if (err)
            return err;
        t->share.there = false;
        struct sp_lmdb_key key = sp_lmdb_key_share(box, sender);
        struct sp_view data;
        struct sp_lmdb_share got = {0};
        err = sp_lmdb_row_get(t, SP_LMDB_SHARE, &key, &data);
        if (!err)
            err = sp_lmdb_data_share(data, &got);
        if (err == SP_EIO)
            return err;
        if (err)
            got = (struct sp_lmdb_share){0}; /* absent, or damaged: a share is a quota, not a promise */
        t->share.there = true;
        t->share.box = *box;
        t->share.sender = *sender;
        t->share.row = got;
    }
    *row = &t->share.row;
    return 0;
}

void sp_lmdb_row_share_dirty(struct sp_lmdb_txn *t)
{
    t->share.dirty = true;
}

/* ---- transactions ---- */

int sp_lmdb_row_begin(struct sp_lmdb_txn *t, struct sp_lmdb *db)
{
    *t = (struct sp_lmdb_txn){.db = db, .writes = true};
    return mdb_txn_begin(db->env, NULL, 0, &t->txn);
}

int sp_lmdb_row_commit(struct sp_lmdb_txn *t)
{
    (void)(flush_usr(t) || flush_dev(t) || flush_share(t)); /* t->fatal says why */
    if (t->fatal || !t->changed) {
        sp_lmdb_row_abort(t);
        return t->fatal;
    }
    MDB_txn *txn = t->txn;
    t->txn = NULL;
    return mdb_txn_commit(txn);
}

void sp_lmdb_row_abort(struct sp_lmdb_txn *t)
{
    if (t->txn)
        mdb_txn_abort(t->txn);
    t->txn = NULL;
}
