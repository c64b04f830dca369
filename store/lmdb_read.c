/* Reading from the LMDB engine: RANGE, HEAD, STATUS, each in one short read transaction. */
#include "lmdb_walk.h"

#include <errno.h>
#include <string.h>

#define BYTES_MAX   (1U << 20)
#define STATUS_SCAN 4096U /* rows one STATUS without ids looks at */

static int no_memory(struct sp_lmdb_txn *t)
{
    t->fatal = ENOMEM;
    return SP_EIO;
}

/* SP_EAGAIN: no such mailbox; numbers are set.  SP_ECORRUPT: the writer must repair it first. */
static int load(struct sp_lmdb_txn *t, struct sp_job *job, struct sp_lmdb_mkey *m, struct sp_lmdb_usr **u)
{
    *m = sp_lmdb_mkey(job->req.to[0].id);
    int err = sp_lmdb_row_usr(t, m, u);
    if (!err || err == SP_EAGAIN) {
        sp_lmdb_walk_numbers(t, err ? NULL : *u, &job->done);
        job->done.floor = job->done.confirmed;
    }
    return err;
}

/* ---- RANGE ---- */

/* SP_EFULL: the answer is. */
static int range_message(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *m,
                         const struct sp_lmdb_walk_msg *msg, uint64_t *bytes)
{
    const struct sp_store_req *r = &job->req;
    uint64_t bytes_max = r->max_bytes && r->max_bytes < BYTES_MAX ? r->max_bytes : BYTES_MAX;
    size_t max = r->max ? r->max : SP_STORE_ENTRIES_MAX;
    if (job->entries_n == max || (job->entries_n > 0 && *bytes + msg->row.body_n > bytes_max))
        return SP_EFULL;
    uint8_t *body = sp_job_bytes(job, msg->row.body_n);
    if (!body)
        return no_memory(t);
    int err = sp_lmdb_walk_body(t, m, msg, body);
    if (err)
        return err;
    err = sp_lmdb_walk_entry(t, job, msg, SP_STATE_ACCEPTED);
    if (err)
        return err;
    job->entries[job->entries_n - 1].body = (struct sp_view){body, msg->row.body_n};
    *bytes += msg->row.body_n;
    return 0;
}

static int skip(struct sp_lmdb_txn *t, struct sp_job *job, uint32_t lo, uint32_t hi, int why)
{
    int err = sp_job_skip(job, lo, hi, why);
    return err == SP_EBUSY ? no_memory(t) : err;
}

static int range_seg(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *m,
                     const struct sp_lmdb_walk_seg *seg, uint64_t *bytes)
{
    int err = seg->why ? SP_ECORRUPT : range_message(t, job, m, &seg->msg, bytes);
    if (err == SP_ECORRUPT)
        err = skip(t, job, seg->lo, seg->hi, seg->why ? seg->why : SP_STORE_WHY_CORRUPT);
    if (!err)
        job->done.to.v = seg->hi;
    return err;
}

static int range(struct sp_lmdb_txn *t, struct sp_job *job)
{
    struct sp_store_done *d = &job->done;
    struct sp_lmdb_mkey m;
    struct sp_lmdb_usr *u;
    int err = load(t, job, &m, &u);
    if (err && err != SP_EAGAIN)
        return err;
    if (job->req.seq.v > d->svr_seq.v)
        return SP_EHIGH;
    d->to = job->req.seq;
    if (d->to.v < d->confirmed.v) {
        err = skip(t, job, d->to.v + 1, d->confirmed.v, SP_STORE_WHY_CONFIRMED);
        if (err)
            return err;
        d->to = d->confirmed;
    }
    struct sp_lmdb_walk w;
    struct sp_lmdb_walk_seg seg;
    uint64_t bytes = 0;
    sp_lmdb_walk_init(&w, &m, (uint64_t)d->to.v + 1, d->svr_seq.v);
    while (!(err = sp_lmdb_walk_next(t, &w, &seg)) && !(err = range_seg(t, job, &m, &seg, &bytes))) {
    }
    d->more = err == SP_EFULL;
    return err == SP_EFULL || err == SP_EAGAIN ? 0 : err;
}

/* ---- HEAD ---- */

static int sender_numbers(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t device,
                          struct sp_store_done *done, struct sp_msgid *finished)
{
    struct sp_lmdb_dev *dev;
    int err = sp_lmdb_row_dev(t, m, device, &dev);
    if (err)
        return err;
    done->last.v = dev->last;
    done->finished.v = dev->finished > dev->floor ? dev->finished : dev->floor;
    finished->v = dev->finished;
    return 0;
}

static int head(struct sp_lmdb_txn *t, struct sp_job *job)
{
    struct sp_lmdb_mkey m;
    struct sp_lmdb_usr *u;
    struct sp_msgid finished;
    int err = load(t, job, &m, &u);
    if (err && err != SP_EAGAIN)
        return err;
    job->done.count = err ? 0 : u->count;
    job->done.bytes = err ? 0 : u->bytes;
    struct sp_claim c = sp_claim_newest(t->db->claims, job->req.to[0].id);
    job->done.holder = c.holder;
    job->done.fence = c.fence;
    return sender_numbers(t, &m, job->req.device, &job->done, &finished);
}

/* ---- STATUS ---- */

/* One line of the answer; row NULL: unknown. */
static int status_one(struct sp_lmdb_txn *t, struct sp_job *job, struct sp_msgid id,
                      const struct sp_lmdb_dedup *row)
{
    const struct sp_lmdb_usr *to = NULL;
    int state = SP_STATE_UNKNOWN;
    int err = row ? sp_lmdb_walk_state(t, row, &state, &to) : 0;
    if (err)
        return err;
    struct sp_store_entry *e = sp_job_entry(job);
    if (!e)
        return no_memory(t);
    e->from = job->req.from;
    e->from.msgid = id;
    e->state = state;
    e->seq.v = row ? row->seq : 0;
    return to && sp_job_copy(job, to->id, &e->to.id) ? no_memory(t) : 0;
}

static int status_of(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *m,
                     struct sp_msgid finished)
{
    const struct sp_store_req *r = &job->req;
    for (size_t i = 0; i < r->msgids_n; i++) {
        struct sp_lmdb_dedup row;
        int err = SP_EAGAIN;
        if (r->msgids[i].v > finished.v)
            err = sp_lmdb_row_dedup(t, m, r->from.device, r->msgids[i], &row);
        if (err == SP_EIO)
            return err;
        err = status_one(t, job, r->msgids[i], err ? NULL : &row);
        if (err)
            return err;
    }
    return 0;
}

/* One row of a STATUS without ids. */
static int status_row(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_key *key,
                      struct sp_view value)
{
    struct sp_view data;
    struct sp_lmdb_dedup row;
    const struct sp_lmdb_usr *to;
    int state;
    if (sp_lmdb_row_check(t, SP_LMDB_DEDUP, key, value, &data) || sp_lmdb_data_dedup(data, &row))
        return 0; /* damaged: counted, not named */
    int err = sp_lmdb_walk_state(t, &row, &state, &to);
    if (err || state != SP_STATE_ACCEPTED)
        return err;
    struct sp_msgid id = {sp_lmdb_key_number(key, key->n - 8, 8)};
    return status_one(t, job, id, &row);
}

static int status_open(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *m,
                       struct sp_msgid finished)
{
    uint32_t device = job->req.from.device;
    struct sp_lmdb_key prefix = sp_lmdb_key_dev(m, device);
    struct sp_msgid at = job->req.from.msgid;
    if (at.v < finished.v)
        at = finished;
    for (unsigned n = 0; at.v < UINT64_MAX; n++) {
        struct sp_lmdb_key key = sp_lmdb_key_dedup(m, device, at.v + 1);
        struct sp_view value;
        int err = sp_lmdb_row_seek(t, SP_LMDB_DEDUP, &key, &value);
        if (err == SP_EAGAIN || (!err && memcmp(key.b, prefix.b, prefix.n) != 0))
            return 0;
        if (!err && (n == STATUS_SCAN || job->entries_n == SP_STORE_ENTRIES_MAX)) {
            job->done.more = true;
            job->done.last = at;
            return 0;
        }
        if (!err)
            err = status_row(t, job, &key, value);
        if (err)
            return err;
        at.v = sp_lmdb_key_number(&key, prefix.n, 8);
    }
    return 0;
}

static int status(struct sp_lmdb_txn *t, struct sp_job *job)
{
    struct sp_lmdb_mkey m = sp_lmdb_mkey(job->req.from.user.id);
    struct sp_msgid finished;
    int err = sender_numbers(t, &m, job->req.from.device, &job->done, &finished);
    if (err)
        return err;
    return job->req.msgids_n ? status_of(t, job, &m, finished) : status_open(t, job, &m, finished);
}

int sp_lmdb_read(struct sp_lmdb_txn *t, struct sp_job *job)
{
    switch (job->req.op) {
    case SP_STORE_RANGE:
        return range(t, job);
    case SP_STORE_HEAD:
        return head(t, job);
    default:
        return status(t, job);
    }
}
