/* The sender's side of the LMDB engine: APPEND and FINISH. */
#include "lmdb_walk.h"

#include <errno.h>
#include <string.h>

#define FINISH_ROWS_MAX 256U /* dedup rows one FINISH removes at once; the sweep takes the rest */

/* ---- what is known already ---- */

/* The recipient's mailbox as the repeat of a message meets it: a damaged row is repaired first, because its
 * numbers are in the answer. */
static int heal(struct sp_lmdb_txn *t, const struct sp_job *job)
{
    struct sp_lmdb_mkey m = sp_lmdb_mkey(job->req.to[0].id);
    struct sp_lmdb_usr *u;
    int err = sp_lmdb_row_usr(t, &m, &u);
    if (err == SP_ECORRUPT)
        err = sp_lmdb_row_usr_get(t, job->req.to[0].id, &m, &u);
    return err == SP_EAGAIN ? 0 : err;
}

static int repeat(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *to,
                  const struct sp_lmdb_dedup *row)
{
    const struct sp_lmdb_usr *u;
    if (memcmp(row->hash, job->req.hash, sizeof(row->hash)) != 0 ||
        memcmp(row->to.b, to->b, sizeof(to->b)) != 0)
        return SP_EREUSED;
    int err = heal(t, job);
    if (err)
        return err;
    job->done.repeat = true;
    job->done.seq.v = row->seq;
    err = sp_lmdb_walk_state(t, row, &job->done.state, &u);
    if (!err)
        sp_lmdb_walk_numbers(t, u, &job->done);
    return err;
}

/* 0: id was stored, or lies below a floor.  SP_EAGAIN: unseen. */
static int check_after(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *sender, uint32_t device,
                       const struct sp_lmdb_dev *dev, struct sp_msgid id)
{
    if (id.v <= dev->finished || id.v <= dev->floor)
        return 0;
    struct sp_lmdb_dedup row;
    int err = sp_lmdb_row_dedup(t, sender, device, id, &row);
    return err == SP_ECORRUPT ? 0 : err; /* damaged, but it was there */
}

/* Steps 1 to 6 of SP_STORE_APPEND in store.h.  1: the message is new and may be stored. */
static int judge(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *sender,
                 const struct sp_lmdb_mkey *to)
{
    const struct sp_store_req *r = &job->req;
    struct sp_lmdb_dev *dev;
    struct sp_lmdb_dedup row;
    int err = sp_lmdb_row_dev(t, sender, r->from.device, &dev);
    if (err)
        return err;
    if (r->from.msgid.v <= dev->finished)
        return SP_EEXPIRED;
    err = sp_lmdb_row_dedup(t, sender, r->from.device, r->from.msgid, &row);
    if (!err)
        return repeat(t, job, to, &row);
    if (err != SP_EAGAIN)
        return err;
    if (r->from.msgid.v <= dev->floor)
        return SP_EEXPIRED;
    if (r->after.v && (err = check_after(t, sender, r->from.device, dev, r->after)) != 0)
        return err;
    if (r->deny)
        return r->deny;
    return t->db->guard.full ? SP_ENOSPACE : 1;
}

/* ---- room ---- */

static uint32_t count_max(const struct sp_lmdb_txn *t, const struct sp_lmdb_usr *u)
{
    return u->max_count ? u->max_count : t->db->cfg.mailbox_count;
}

static uint64_t bytes_max(const struct sp_lmdb_txn *t, const struct sp_lmdb_usr *u)
{
    return u->max_bytes ? u->max_bytes : t->db->cfg.mailbox_bytes;
}

static bool fits(const struct sp_lmdb_txn *t, const struct sp_lmdb_usr *u, uint64_t count, uint64_t bytes,
                 size_t body)
{
    return count < count_max(t, u) && bytes + body <= bytes_max(t, u);
}

static int check_share(struct sp_lmdb_txn *t, const struct sp_job *job, const struct sp_lmdb_mkey *sender,
                       const struct sp_lmdb_mkey *to, const struct sp_lmdb_usr *u)
{
    struct sp_lmdb_share *share;
    int err = sp_lmdb_row_share(t, to, sender, &share);
    if (err || share->count == 0)
        return err;
    unsigned percent = t->db->cfg.share_percent;
    bool over = ((uint64_t)share->count + 1) * 100 > (uint64_t)count_max(t, u) * percent ||
                (share->bytes + job->req.body.n) * 100 > bytes_max(t, u) * percent;
    return over ? SP_EQUOTA : 0;
}

/* The oldest messages of the mailbox up to *upto must go so that one of `body` bytes fits. */
static int plan_push_out(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, const struct sp_lmdb_usr *u,
                         size_t body, uint32_t *upto)
{
    uint64_t count = u->count;
    uint64_t bytes = u->bytes;
    *upto = u->confirmed;
    for (unsigned out = 0; !fits(t, u, count, bytes, body); out++) {
        struct sp_lmdb_walk_msg msg;
        if (out == SP_STORE_ENTRIES_MAX - 1)
            return SP_EQUOTA;
        int err = sp_lmdb_walk_message(t, m, (uint64_t)*upto + 1, u->head, &msg);
        if (err)
            return err == SP_EAGAIN ? SP_EQUOTA : err;
        count -= count > 0;
        bytes -= bytes < msg.row.body_n ? bytes : msg.row.body_n;
        *upto = msg.seq;
    }
    return 0;
}

static int push_out(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *m,
                    struct sp_lmdb_usr *u)
{
    uint32_t upto;
    int err = plan_push_out(t, m, u, job->req.body.n, &upto);
    if (err)
        return err;
    struct sp_lmdb_walk_msg msg;
    while (!(err = sp_lmdb_walk_message(t, m, (uint64_t)u->confirmed + 1, upto, &msg))) {
        err = sp_lmdb_walk_entry(t, job, &msg, SP_STATE_ENDED);
        if (!err)
            err = sp_lmdb_walk_end(t, m, u, &msg, SP_STORE_WHY_DROPPED);
        if (err)
            return err;
    }
    return err == SP_EAGAIN ? 0 : err;
}

/* Steps 7 and 8. */
static int make_room(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *sender,
                     const struct sp_lmdb_mkey *to, struct sp_lmdb_usr *u)
{
    if (u->head == UINT32_MAX)
        return SP_ESEQ;
    if (u->drop_oldest || t->db->cfg.drop_oldest)
        return push_out(t, job, to, u);
    if (!fits(t, u, u->count, u->bytes, job->req.body.n))
        return SP_EQUOTA;
    return check_share(t, job, sender, to, u);
}

/* ---- storing ---- */

static int put_body(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *to, uint32_t seq, struct sp_view body)
{
    for (uint8_t part = 1; body.n > 0; part++) {
        size_t n = body.n < SP_LMDB_PART_MAX ? body.n : SP_LMDB_PART_MAX;
        struct sp_lmdb_key key = sp_lmdb_key_box(to, seq, part);
        struct sp_lmdb_value v;
        sp_lmdb_value_part(&v, (struct sp_view){body.p, n});
        int err = sp_lmdb_row_put(t, SP_LMDB_BOX, &key, &v);
        if (err)
            return err;
        body = (struct sp_view){body.p + n, body.n - n};
        t->work++;
    }
    return 0;
}

static int put_message(struct sp_lmdb_txn *t, const struct sp_job *job, const struct sp_lmdb_mkey *to,
                       uint32_t seq)
{
    const struct sp_store_req *r = &job->req;
    struct sp_lmdb_msg row = {
        .from = r->from, .at_us = r->at_us, .expires_us = r->expires_us, .body_n = (uint32_t)r->body.n};
    struct sp_lmdb_key key = sp_lmdb_key_box(to, seq, 0);
    struct sp_lmdb_value v;
    sp_lmdb_value_msg(&v, &row);
    int err = sp_lmdb_row_put(t, SP_LMDB_BOX, &key, &v);
    return err ? err : put_body(t, to, seq, r->body);
}

static int put_dedup(struct sp_lmdb_txn *t, const struct sp_job *job, const struct sp_lmdb_mkey *sender,
                     const struct sp_lmdb_mkey *to, uint32_t seq)
{
    const struct sp_store_req *r = &job->req;
    struct sp_lmdb_dedup row = {.to = *to, .seq = seq, .at_us = r->at_us};
    memcpy(row.hash, r->hash, sizeof(row.hash));
    struct sp_lmdb_key key = sp_lmdb_key_dedup(sender, r->from.device, r->from.msgid.v);
    struct sp_lmdb_value v;
    sp_lmdb_value_dedup(&v, &row);
    return sp_lmdb_row_put(t, SP_LMDB_DEDUP, &key, &v);
}

static int raise_last(struct sp_lmdb_txn *t, const struct sp_job *job, const struct sp_lmdb_mkey *sender)
{
    struct sp_lmdb_dev *dev;
    int err = sp_lmdb_row_dev(t, sender, job->req.from.device, &dev);
    if (err)
        return err;
    if (dev->last < job->req.from.msgid.v) {
        dev->last = job->req.from.msgid.v;
        sp_lmdb_row_dev_dirty(t);
    }
    return 0;
}

static int raise_share(struct sp_lmdb_txn *t, const struct sp_job *job, const struct sp_lmdb_mkey *sender,
                       const struct sp_lmdb_mkey *to)
{
    struct sp_lmdb_share *share;
    int err = sp_lmdb_row_share(t, to, sender, &share);
    if (err)
        return err;
    share->count++;
    share->bytes += job->req.body.n;
    sp_lmdb_row_share_dirty(t);
    return 0;
}

static int store_message(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *sender,
                         struct sp_lmdb_mkey *to)
{
    struct sp_lmdb_usr *u;
    int err = sp_lmdb_row_usr_get(t, job->req.to[0].id, to, &u);
    if (err)
        return err;
    err = make_room(t, job, sender, to, u);
    sp_lmdb_walk_numbers(t, u, &job->done);
    if (err)
        return err;
    uint32_t seq = u->head + 1;
    err = put_message(t, job, to, seq);
    if (!err)
        err = put_dedup(t, job, sender, to, seq);
    if (!err)
        err = raise_last(t, job, sender);
    if (!err)
        err = raise_share(t, job, sender, to);
    if (err)
        return err;
    u->head = seq;
    u->count++;
    u->bytes += job->req.body.n;
    sp_lmdb_row_usr_dirty(t);
    sp_lmdb_walk_numbers(t, u, &job->done);
    job->done.seq.v = seq;
    job->done.state = SP_STATE_ACCEPTED;
    return 0;
}

int sp_lmdb_append(struct sp_lmdb_txn *t, struct sp_job *job)
{
    struct sp_store_entry *e = sp_job_entry(job);
    if (!e || sp_job_copy(job, job->req.to[0].id, &e->to.id)) {
        t->fatal = ENOMEM;
        return SP_EIO;
    }
    struct sp_lmdb_mkey sender = sp_lmdb_mkey(job->req.from.user.id);
    struct sp_lmdb_mkey to = sp_lmdb_mkey(job->req.to[0].id);
    t->work++;
    int err = judge(t, job, &sender, &to);
    if (err == 1)
        err = store_message(t, job, &sender, &to);
    if (err)
        return err;
    struct sp_claim c = sp_claim_newest(t->db->claims, job->req.to[0].id);
    job->entries[0].seq = job->done.seq;
    job->entries[0].state = job->done.state;
    job->entries[0].holder = c.holder;
    job->entries[0].fence = c.fence;
    return 0;
}

/* ---- FINISH ---- */

/* Removes the lowest rows of the device up to its finished floor. */
static int drop_finished(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *sender, uint32_t device,
                         uint64_t upto)
{
    struct sp_lmdb_key prefix = sp_lmdb_key_dev(sender, device);
    for (unsigned i = 0; i < FINISH_ROWS_MAX; i++) {
        struct sp_lmdb_key key = sp_lmdb_key_dedup(sender, device, 0);
        struct sp_view value;
        int err = sp_lmdb_row_seek(t, SP_LMDB_DEDUP, &key, &value);
        if (err)
            return err == SP_EAGAIN ? 0 : err;
        if (memcmp(key.b, prefix.b, prefix.n) != 0 || sp_lmdb_key_number(&key, prefix.n, 8) > upto)
            return 0;
        err = sp_lmdb_row_del(t, SP_LMDB_DEDUP, &key);
        if (err)
            return err;
        t->work++;
    }
    return 0;
}

int sp_lmdb_append_finish(struct sp_lmdb_txn *t, struct sp_job *job)
{
    const struct sp_origin *from = &job->req.from;
    struct sp_lmdb_mkey sender = sp_lmdb_mkey(from->user.id);
    struct sp_lmdb_dev *dev;
    int err = sp_lmdb_row_dev(t, &sender, from->device, &dev);
    if (err)
        return err;
    if (dev->finished < from->msgid.v) {
        dev->finished = from->msgid.v;
        sp_lmdb_row_dev_dirty(t);
        err = drop_finished(t, &sender, from->device, dev->finished);
    }
    job->done.last.v = dev->last;
    job->done.finished.v = dev->finished > dev->floor ? dev->finished : dev->floor;
    return err;
}
