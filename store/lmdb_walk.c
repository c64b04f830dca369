/* Walking a mailbox, and the life of its messages. */
#include "lmdb_walk.h"

#include <errno.h>
#include <string.h>

#define SEQ_AT  SP_LMDB_MKEY_LEN
#define PART_AT (SP_LMDB_MKEY_LEN + 4)

static bool is_of(const struct sp_lmdb_key *key, const struct sp_lmdb_mkey *m)
{
    return memcmp(key->b, m->b, sizeof(m->b)) == 0;
}

static void keep_message(struct sp_lmdb_walk_msg *msg, uint32_t seq, const struct sp_lmdb_msg *row)
{
    msg->seq = seq;
    msg->row = *row;
    memcpy(msg->id, row->from.user.id.p, row->from.user.id.n);
    msg->row.from.user.id.p = msg->id;
}

/* ---- walking ---- */

void sp_lmdb_walk_init(struct sp_lmdb_walk *w, const struct sp_lmdb_mkey *m, uint64_t lo, uint64_t hi)
{
    *w = (struct sp_lmdb_walk){.m = *m, .next = lo, .end = hi};
}

/* Loads the first tombstone that ends at w->next or later; none: one that begins behind everything. */
static int load_tomb(struct sp_lmdb_txn *t, struct sp_lmdb_walk *w)
{
    if (w->tomb_hi >= w->next)
        return 0;
    struct sp_lmdb_key key = sp_lmdb_key_tomb(&w->m, (uint32_t)w->next);
    struct sp_view value;
    struct sp_view data;
    struct sp_lmdb_tomb row;
    w->tomb_lo = UINT64_MAX;
    w->tomb_hi = UINT64_MAX;
    int err = sp_lmdb_row_seek(t, SP_LMDB_TOMB, &key, &value);
    if (err == SP_EAGAIN || (!err && !is_of(&key, &w->m)))
        return 0;
    if (err)
        return err;
    uint64_t hi = sp_lmdb_key_number(&key, SEQ_AT, 4);
    w->tomb_hi = hi;
    if (sp_lmdb_row_check(t, SP_LMDB_TOMB, &key, value, &data) || sp_lmdb_data_tomb(data, &row)) {
        w->tomb_lo = hi; /* of a damaged tombstone only its last seq is sure */
        w->tomb_why = SP_STORE_WHY_CORRUPT;
        return 0;
    }
    w->tomb_lo = row.lo;
    w->tomb_why = row.why;
    return 0;
}

/* The stretch from w->next to `limit` at most, knowing that no tombstone is in it. */
static int next_in_box(struct sp_lmdb_txn *t, const struct sp_lmdb_walk *w, uint64_t limit,
                       struct sp_lmdb_walk_seg *seg)
{
    struct sp_lmdb_key key = sp_lmdb_key_box(&w->m, (uint32_t)w->next, 0);
    struct sp_view value;
    struct sp_view data;
    struct sp_lmdb_msg row;
    seg->why = SP_STORE_WHY_CORRUPT;
    seg->hi = (uint32_t)limit;
    int err = sp_lmdb_row_seek(t, SP_LMDB_BOX, &key, &value);
    if (err == SP_EIO)
        return err;
    uint64_t seq = err ? UINT64_MAX : sp_lmdb_key_number(&key, SEQ_AT, 4);
    if (err || !is_of(&key, &w->m) || seq > limit) {
        sp_lmdb_row_note_corrupt(t);
        return 0;
    }
    bool headless = sp_lmdb_key_number(&key, PART_AT, 1) != 0;
    bool good = !headless && sp_lmdb_row_check(t, SP_LMDB_BOX, &key, value, &data) == 0 &&
                sp_lmdb_data_msg(data, &row) == 0;
    if (good && seq == w->next) {
        seg->why = 0;
        seg->hi = (uint32_t)seq;
        keep_message(&seg->msg, (uint32_t)seq, &row);
        return 0;
    }
    if (headless || seq > w->next)
        sp_lmdb_row_note_corrupt(t);
    seg->hi = good ? (uint32_t)seq - 1 : (uint32_t)seq;
    return 0;
}

int sp_lmdb_walk_next(struct sp_lmdb_txn *t, struct sp_lmdb_walk *w, struct sp_lmdb_walk_seg *seg)
{
    if (w->next > w->end)
        return SP_EAGAIN;
    t->work++;
    int err = load_tomb(t, w);
    if (err)
        return err;
    seg->lo = (uint32_t)w->next;
    if (w->tomb_lo <= w->next) {
        seg->why = w->tomb_why;
        seg->hi = (uint32_t)(w->tomb_hi < w->end ? w->tomb_hi : w->end);
    } else {
        err = next_in_box(t, w, w->tomb_lo - 1 < w->end ? w->tomb_lo - 1 : w->end, seg);
    }
    w->next = (uint64_t)seg->hi + 1;
    return err;
}

int sp_lmdb_walk_message(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint64_t lo, uint64_t hi,
                         struct sp_lmdb_walk_msg *msg)
{
    for (uint64_t next = lo; next <= hi && next <= UINT32_MAX;) {
        struct sp_lmdb_key key = sp_lmdb_key_box(m, (uint32_t)next, 0);
        struct sp_view value;
        struct sp_view data;
        struct sp_lmdb_msg row;
        t->work++;
        int err = sp_lmdb_row_seek(t, SP_LMDB_BOX, &key, &value);
        if (err)
            return err;
        uint64_t seq = sp_lmdb_key_number(&key, SEQ_AT, 4);
        if (!is_of(&key, m) || seq > hi)
            return SP_EAGAIN;
        if (sp_lmdb_key_number(&key, PART_AT, 1) == 0 &&
            sp_lmdb_row_check(t, SP_LMDB_BOX, &key, value, &data) == 0 && sp_lmdb_data_msg(data, &row) == 0) {
            keep_message(msg, (uint32_t)seq, &row);
            return 0;
        }
        next = seq + 1;
    }
    return SP_EAGAIN;
}

/* ---- bodies ---- */

static uint8_t parts_of(uint32_t body_n)
{
    return (uint8_t)((body_n + SP_LMDB_PART_MAX - 1) / SP_LMDB_PART_MAX);
}

int sp_lmdb_walk_body(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, const struct sp_lmdb_walk_msg *msg,
                      uint8_t *dst)
{
    uint32_t left = msg->row.body_n;
    for (uint8_t part = 1; left > 0; part++) {
        struct sp_lmdb_key key = sp_lmdb_key_box(m, msg->seq, part);
        struct sp_view data;
        size_t want = left < SP_LMDB_PART_MAX ? left : SP_LMDB_PART_MAX;
        int err = sp_lmdb_row_get(t, SP_LMDB_BOX, &key, &data);
        if (err == SP_EIO)
            return err;
        if (err == SP_EAGAIN)
            sp_lmdb_row_note_corrupt(t);
        if (err || data.n != want)
            return SP_ECORRUPT;
        if (dst) {
            memcpy(dst, data.p, want);
            dst += want;
        }
        left -= (uint32_t)want;
    }
    return 0;
}

int sp_lmdb_walk_cut(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, const struct sp_lmdb_walk_msg *msg)
{
    for (uint8_t part = parts_of(msg->row.body_n); part > 0; part--) {
        struct sp_lmdb_key key = sp_lmdb_key_box(m, msg->seq, part);
        int err = sp_lmdb_row_del(t, SP_LMDB_BOX, &key);
        if (err)
            return err;
    }
    return 0;
}

int sp_lmdb_walk_forget(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t seq)
{
    struct sp_lmdb_key key = sp_lmdb_key_box(m, seq, 0);
    return sp_lmdb_row_del(t, SP_LMDB_BOX, &key);
}

/* ---- ends ---- */

int sp_lmdb_walk_uncount(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr *u,
                         const struct sp_lmdb_walk_msg *msg)
{
    /* After a repair of a damaged row the numbers may be too small; they never go below 0. */
    u->count -= u->count > 0;
    u->bytes -= u->bytes < msg->row.body_n ? u->bytes : msg->row.body_n;
    sp_lmdb_row_usr_dirty(t);
    struct sp_lmdb_mkey sender = sp_lmdb_mkey(msg->row.from.user.id);
    struct sp_lmdb_share *share;
    int err = sp_lmdb_row_share(t, m, &sender, &share);
    if (err)
        return err;
    share->count -= share->count > 0;
    share->bytes -= share->bytes < msg->row.body_n ? share->bytes : msg->row.body_n;
    sp_lmdb_row_share_dirty(t);
    return 0;
}

int sp_lmdb_walk_set_state(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m,
                           const struct sp_lmdb_walk_msg *msg, int state)
{
    struct sp_lmdb_mkey sender = sp_lmdb_mkey(msg->row.from.user.id);
    struct sp_lmdb_dedup row;
    int err = sp_lmdb_row_dedup(t, &sender, msg->row.from.device, msg->row.from.msgid, &row);
    if (err == SP_EIO)
        return err;
    if (err || row.seq != msg->seq || memcmp(row.to.b, m->b, sizeof(m->b)) != 0)
        return 0;
    row.state = (uint8_t)state;
    struct sp_lmdb_key key = sp_lmdb_key_dedup(&sender, msg->row.from.device, msg->row.from.msgid.v);
    struct sp_lmdb_value v;
    sp_lmdb_value_dedup(&v, &row);
    return sp_lmdb_row_put(t, SP_LMDB_DEDUP, &key, &v);
}

int sp_lmdb_walk_end(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr *u,
                     const struct sp_lmdb_walk_msg *msg, int why)
{
    int err = sp_lmdb_walk_uncount(t, m, u, msg);
    if (!err)
        err = sp_lmdb_walk_set_state(t, m, msg, SP_STATE_ENDED);
    if (!err)
        err = sp_lmdb_walk_cut(t, m, msg);
    if (!err)
        err = sp_lmdb_walk_forget(t, m, msg->seq);
    return err ? err : sp_lmdb_walk_bury(t, m, msg->seq, msg->seq, why);
}

/* Takes in the tombstone that ends at *lo - 1, if it has the same reason. */
static int join_left(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t *lo, int why)
{
    struct sp_lmdb_key key = sp_lmdb_key_tomb(m, *lo - 1);
    struct sp_view data;
    struct sp_lmdb_tomb left;
    int err = sp_lmdb_row_get(t, SP_LMDB_TOMB, &key, &data);
    if (err == SP_EIO)
        return err;
    if (err || sp_lmdb_data_tomb(data, &left) || left.why != why)
        return 0;
    *lo = left.lo;
    return sp_lmdb_row_del(t, SP_LMDB_TOMB, &key);
}

/* Takes in the tombstone that begins at *hi + 1, if it has the same reason. */
static int join_right(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t *hi, int why)
{
    if (*hi == UINT32_MAX)
        return 0;
    struct sp_lmdb_key key = sp_lmdb_key_tomb(m, *hi + 1);
    struct sp_view value;
    struct sp_view data;
    struct sp_lmdb_tomb right;
    int err = sp_lmdb_row_seek(t, SP_LMDB_TOMB, &key, &value);
    if (err == SP_EIO)
        return err;
    if (err || !is_of(&key, m) || sp_lmdb_row_check(t, SP_LMDB_TOMB, &key, value, &data) ||
        sp_lmdb_data_tomb(data, &right) || right.lo != *hi + 1 || right.why != why)
        return 0;
    *hi = (uint32_t)sp_lmdb_key_number(&key, SEQ_AT, 4);
    return 0;
}

int sp_lmdb_walk_bury(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t lo, uint32_t hi, int why)
{
    int err = join_left(t, m, &lo, why);
    if (!err)
        err = join_right(t, m, &hi, why);
    if (err)
        return err;
    struct sp_lmdb_tomb row = {.lo = lo, .why = (uint8_t)why, .at_us = t->db->clock_us};
    struct sp_lmdb_key key = sp_lmdb_key_tomb(m, hi);
    struct sp_lmdb_value v;
    sp_lmdb_value_tomb(&v, &row);
    return sp_lmdb_row_put(t, SP_LMDB_TOMB, &key, &v);
}

/* ---- states and answers ---- */

/* True if a tombstone covers seq. */
static int is_buried(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t seq, bool *buried)
{
    struct sp_lmdb_walk w;
    sp_lmdb_walk_init(&w, m, seq, seq);
    int err = load_tomb(t, &w);
    *buried = w.tomb_lo <= seq;
    return err;
}

int sp_lmdb_walk_state(struct sp_lmdb_txn *t, const struct sp_lmdb_dedup *row, int *state,
                       const struct sp_lmdb_usr **to)
{
    struct sp_lmdb_usr *u;
    *state = row->state ? row->state : SP_STATE_ACCEPTED;
    *to = NULL;
    int err = sp_lmdb_row_usr(t, &row->to, &u);
    if (err == SP_EIO)
        return err;
    if (err)
        return 0;
    *to = u;
    if (row->state || u->confirmed < row->seq)
        return 0;
    bool buried;
    err = is_buried(t, &row->to, row->seq, &buried);
    *state = buried ? SP_STATE_ENDED : SP_STATE_DELIVERED;
    return err;
}

int sp_lmdb_walk_entry(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_walk_msg *msg,
                       int state)
{
    struct sp_store_entry *e = sp_job_entry(job);
    if (!e || sp_job_copy(job, job->req.to[0].id, &e->to.id) ||
        sp_job_copy(job, msg->row.from.user.id, &e->from.user.id)) {
        t->fatal = ENOMEM;
        return SP_EIO;
    }
    e->from.device = msg->row.from.device;
    e->from.msgid = msg->row.from.msgid;
    e->seq.v = msg->seq;
    e->state = state;
    e->at_us = msg->row.at_us;
    e->expires_us = msg->row.expires_us;
    return 0;
}

void sp_lmdb_walk_numbers(const struct sp_lmdb_txn *t, const struct sp_lmdb_usr *u,
                          struct sp_store_done *done)
{
    done->epoch.v = t->db->epoch + (u ? u->resets : 0);
    done->svr_seq.v = u ? u->head : t->db->cfg.head_start;
    done->confirmed.v = u ? u->confirmed : t->db->cfg.head_start;
}
