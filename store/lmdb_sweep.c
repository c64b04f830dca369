/* The sweep: a round over dedup rows, messages and tombstones, in small slices that ride in the writer's
 * transactions. It removes what its age allows (dedup_keep) and ends messages that have expired.  Its only
 * clock is the latest wall time that a request brought, which never falls. */
#include "lmdb_walk.h"

#define ROUND_US (3600LL * 1000000) /* at most this long between two rounds */

static const enum sp_lmdb_tree round_trees[] = {SP_LMDB_DEDUP, SP_LMDB_BOX, SP_LMDB_TOMB};
#define ROUND_TREES (sizeof(round_trees) / sizeof(round_trees[0]))

bool sp_lmdb_sweep_is_due(const struct sp_lmdb *db)
{
    return db->sweep.on || db->clock_us >= db->sweep.next_us;
}

static void note_swept(struct sp_lmdb_txn *t)
{
    (void)atomic_fetch_add(&t->db->swept, 1);
}

static int64_t before_us(const struct sp_lmdb_txn *t)
{
    return t->db->clock_us - t->db->cfg.dedup_keep_us;
}

static struct sp_lmdb_mkey mkey_of(const struct sp_lmdb_key *key)
{
    struct sp_lmdb_mkey m;
    for (size_t i = 0; i < sizeof(m.b); i++)
        m.b[i] = key->b[i];
    return m;
}

/* The key right behind one of these fixed widths. */
static void advance(struct sp_lmdb_key *key)
{
    for (size_t i = key->n; i-- > 0;) {
        if (++key->b[i] != 0)
            return;
    }
    key->b[key->n++] = 0; /* all 255: only longer keys lie behind it */
}

/* Never without its floor: the row goes and the floor rises in one transaction. */
static int visit_dedup(struct sp_lmdb_txn *t, const struct sp_lmdb_key *key, struct sp_view data)
{
    struct sp_lmdb_dedup row;
    struct sp_lmdb_dev *dev;
    struct sp_lmdb_mkey m = mkey_of(key);
    uint64_t msgid = sp_lmdb_key_number(key, SP_LMDB_MKEY_LEN + 4, 8);
    if (sp_lmdb_data_dedup(data, &row))
        return 0;
    int err = sp_lmdb_row_dev(t, &m, (uint32_t)sp_lmdb_key_number(key, SP_LMDB_MKEY_LEN, 4), &dev);
    if (err)
        return err == SP_EIO ? err : 0;
    if (msgid > dev->finished && row.at_us >= before_us(t))
        return 0;
    if (msgid > dev->finished && dev->floor < msgid) {
        dev->floor = msgid;
        sp_lmdb_row_dev_dirty(t);
    }
    note_swept(t);
    return sp_lmdb_row_del(t, SP_LMDB_DEDUP, key);
}

/* Receipts go with age; open messages end when they expire. */
static int visit_box(struct sp_lmdb_txn *t, struct sp_lmdb_key *key)
{
    struct sp_lmdb_mkey m = mkey_of(key);
    uint32_t seq = (uint32_t)sp_lmdb_key_number(key, SP_LMDB_MKEY_LEN, 4);
    struct sp_lmdb_usr *u;
    struct sp_lmdb_walk_msg msg;
    *key = sp_lmdb_key_box(&m, seq, UINT8_MAX); /* no need to look at its parts */
    int err = sp_lmdb_row_usr(t, &m, &u);
    if (!err)
        err = sp_lmdb_walk_message(t, &m, seq, seq, &msg);
    if (err)
        return err == SP_EIO ? err : 0;
    if (seq <= u->confirmed && msg.row.at_us < before_us(t)) {
        note_swept(t);
        return sp_lmdb_walk_forget(t, &m, seq);
    }
    if (seq > u->confirmed && msg.row.expires_us > 0 && msg.row.expires_us <= t->db->clock_us)
        return sp_lmdb_walk_end(t, &m, u, &msg, SP_STORE_WHY_EXPIRED);
    return 0;
}

/* A tombstone below the cursor is needed while dedup rows may ask for it, which are older than it. */
static int visit_tomb(struct sp_lmdb_txn *t, const struct sp_lmdb_key *key, struct sp_view data)
{
    struct sp_lmdb_tomb row;
    struct sp_lmdb_usr *u;
    struct sp_lmdb_mkey m = mkey_of(key);
    if (sp_lmdb_data_tomb(data, &row))
        return 0;
    int err = sp_lmdb_row_usr(t, &m, &u);
    if (err)
        return err == SP_EIO ? err : 0;
    uint32_t hi = (uint32_t)sp_lmdb_key_number(key, SP_LMDB_MKEY_LEN, 4);
    if (hi > u->confirmed || row.at_us >= before_us(t) - t->db->cfg.dedup_keep_us)
        return 0;
    note_swept(t);
    return sp_lmdb_row_del(t, SP_LMDB_TOMB, key);
}

static int visit(struct sp_lmdb_txn *t, enum sp_lmdb_tree tree, struct sp_lmdb_key *key, struct sp_view value)
{
    struct sp_view data;
    if (tree == SP_LMDB_BOX)
        return visit_box(t, key);
    if (sp_lmdb_row_check(t, tree, key, value, &data))
        return 0;
    return tree == SP_LMDB_DEDUP ? visit_dedup(t, key, data) : visit_tomb(t, key, data);
}

static void start_tree(struct sp_lmdb_sweep *s, enum sp_lmdb_tree tree)
{
    s->tree = tree;
    s->key = (struct sp_lmdb_key){.n = 0};
}

/* Behind the last row of a tree: on to the next tree, or the round is over. */
static void next_tree(struct sp_lmdb *db)
{
    int64_t keep_us = db->cfg.dedup_keep_us;
    struct sp_lmdb_sweep *s = &db->sweep;
    for (size_t i = 0; i + 1 < ROUND_TREES; i++) {
        if (round_trees[i] == s->tree) {
            start_tree(s, round_trees[i + 1]);
            return;
        }
    }
    s->on = false;
    s->next_us = db->clock_us + (keep_us / 8 < ROUND_US ? keep_us / 8 : ROUND_US) + 1;
}

void sp_lmdb_sweep_slice(struct sp_lmdb_txn *t, unsigned n)
{
    struct sp_lmdb_sweep *s = &t->db->sweep;
    if (!sp_lmdb_sweep_is_due(t->db))
        return;
    if (!s->on) {
        s->on = true;
        start_tree(s, round_trees[0]);
    }
    for (unsigned i = 0; i < n && s->on && !t->fatal; i++) {
        struct sp_view value;
        if (s->key.n == 0)
            s->key = (struct sp_lmdb_key){.n = 1};
        int err = sp_lmdb_row_seek(t, s->tree, &s->key, &value);
        if (err == SP_EAGAIN) {
            next_tree(t->db);
            continue;
        }
        if (err || visit(t, s->tree, &s->key, value))
            return;
        advance(&s->key);
    }
}
