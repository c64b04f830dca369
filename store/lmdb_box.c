/* The recipient's side of the LMDB engine: CONFIRM, MARK, TRIM, LIMIT. */
#include "lmdb_walk.h"

/* Loads the mailbox of job->req.to[0]; a damaged row is repaired.  SP_EAGAIN: there is none; numbers are set.
 */
static int load(struct sp_lmdb_txn *t, struct sp_job *job, struct sp_lmdb_mkey *m, struct sp_lmdb_usr **u)
{
    struct sp_view id = job->req.to[0].id;
    *m = sp_lmdb_mkey(id);
    int err = sp_lmdb_row_usr(t, m, u);
    if (err != SP_EAGAIN)
        err = sp_lmdb_row_usr_get(t, id, m, u);
    if (!err || err == SP_EAGAIN)
        sp_lmdb_walk_numbers(t, err ? NULL : *u, &job->done);
    return err;
}

/* ---- CONFIRM ---- */

/* A message whose body is damaged reached nobody: it ends instead of being DELIVERED. */
static int confirm_damaged(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr *u,
                           const struct sp_lmdb_walk_msg *msg)
{
    return sp_lmdb_walk_end(t, m, u, msg, SP_STORE_WHY_CORRUPT);
}

static int confirm_message(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *m,
                           struct sp_lmdb_usr *u, const struct sp_lmdb_walk_msg *msg)
{
    int err = sp_lmdb_walk_body(t, m, msg, NULL);
    if (err == SP_ECORRUPT)
        return confirm_damaged(t, m, u, msg);
    if (!err)
        err = sp_lmdb_walk_entry(t, job, msg, SP_STATE_DELIVERED);
    if (!err)
        err = sp_lmdb_walk_cut(t, m, msg);
    return err ? err : sp_lmdb_walk_uncount(t, m, u, msg);
}

/* One stretch under the new cursor.  SP_EFULL: the answer is. */
static int confirm_seg(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *m,
                       struct sp_lmdb_usr *u, const struct sp_lmdb_walk_seg *seg)
{
    int err = 0;
    if (seg->why == 0 && job->entries_n == SP_STORE_ENTRIES_MAX)
        return SP_EFULL;
    if (seg->why == 0)
        err = confirm_message(t, job, m, u, &seg->msg);
    else if (seg->why == SP_STORE_WHY_CORRUPT)
        err = sp_lmdb_walk_bury(t, m, seg->lo, seg->hi, SP_STORE_WHY_CORRUPT);
    if (!err)
        u->confirmed = seg->hi;
    return err;
}

int sp_lmdb_box_confirm(struct sp_lmdb_txn *t, struct sp_job *job)
{
    const struct sp_store_req *r = &job->req;
    struct sp_lmdb_mkey m;
    struct sp_lmdb_usr *u = NULL;
    int err = load(t, job, &m, &u);
    if (err && err != SP_EAGAIN)
        return err;
    if (r->fence && sp_claim_find(t->db->claims, r->to[0].id, r->device).fence != r->fence)
        return SP_EFENCED;
    if (r->seq.v > job->done.svr_seq.v)
        return SP_EHIGH;
    if (r->seq.v <= job->done.confirmed.v)
        return 0;
    struct sp_lmdb_walk w;
    struct sp_lmdb_walk_seg seg;
    sp_lmdb_walk_init(&w, &m, (uint64_t)u->confirmed + 1, r->seq.v);
    while (!(err = sp_lmdb_walk_next(t, &w, &seg)) && !(err = confirm_seg(t, job, &m, u, &seg))) {
    }
    if (err == SP_EIO)
        return err;
    job->done.more = err == SP_EFULL;
    if (u->confirmed == u->head) {
        u->count = 0; /* heals what damage may have left */
        u->bytes = 0;
    }
    sp_lmdb_row_usr_dirty(t);
    sp_lmdb_walk_numbers(t, u, &job->done);
    return 0;
}

/* ---- MARK and TRIM ---- */

static int mark_one(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr *u,
                    const struct sp_lmdb_walk_msg *msg, int why)
{
    (void)u;
    (void)why;
    int err = sp_lmdb_walk_set_state(t, m, msg, SP_STATE_READ);
    return err ? err : sp_lmdb_walk_forget(t, m, msg->seq);
}

typedef int each_fn(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr *u,
                    const struct sp_lmdb_walk_msg *msg, int why);

struct stretch {
    uint64_t lo, hi;
    int state; /* in the answer */
    each_fn *each;
};

/* Every message of one span cut to the stretch.  SP_EFULL: the answer is. */
static int each_of_span(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *m,
                        struct sp_lmdb_usr *u, const struct stretch *s, const struct sp_store_span *span)
{
    uint64_t lo = span->lo.v > s->lo ? span->lo.v : s->lo;
    uint64_t hi = span->hi.v < s->hi ? span->hi.v : s->hi;
    struct sp_lmdb_walk_msg msg;
    int err;
    while (!(err = sp_lmdb_walk_message(t, m, lo, hi, &msg))) {
        if (job->entries_n == SP_STORE_ENTRIES_MAX)
            return SP_EFULL;
        err = sp_lmdb_walk_entry(t, job, &msg, s->state);
        if (!err)
            err = s->each(t, m, u, &msg, span->why);
        if (err)
            return err;
        lo = (uint64_t)msg.seq + 1;
    }
    return err == SP_EAGAIN ? 0 : err;
}

static int each_message(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_mkey *m,
                        struct sp_lmdb_usr *u, const struct stretch *s)
{
    int err = 0;
    for (size_t i = 0; i < job->req.spans_n && !err; i++)
        err = each_of_span(t, job, m, u, s, &job->req.spans[i]);
    job->done.more = err == SP_EFULL;
    return err == SP_EFULL ? 0 : err;
}

int sp_lmdb_box_mark(struct sp_lmdb_txn *t, struct sp_job *job)
{
    struct sp_lmdb_mkey m;
    struct sp_lmdb_usr *u;
    int err = load(t, job, &m, &u);
    if (err)
        return err == SP_EAGAIN ? 0 : err;
    struct stretch s = {.lo = 1, .hi = u->confirmed, .state = SP_STATE_READ, .each = mark_one};
    return each_message(t, job, &m, u, &s);
}

int sp_lmdb_box_trim(struct sp_lmdb_txn *t, struct sp_job *job)
{
    struct sp_lmdb_mkey m;
    struct sp_lmdb_usr *u;
    int err = load(t, job, &m, &u);
    if (err)
        return err == SP_EAGAIN ? 0 : err;
    struct stretch s = {
        .lo = (uint64_t)u->confirmed + 1, .hi = u->head, .state = SP_STATE_ENDED, .each = sp_lmdb_walk_end};
    return each_message(t, job, &m, u, &s);
}

/* ---- LIMIT ---- */

int sp_lmdb_box_limit(struct sp_lmdb_txn *t, struct sp_job *job)
{
    struct sp_lmdb_mkey m;
    struct sp_lmdb_usr *u;
    int err = sp_lmdb_row_usr_get(t, job->req.to[0].id, &m, &u);
    if (err)
        return err;
    u->max_count = job->req.max;
    u->max_bytes = job->req.max_bytes;
    u->drop_oldest = job->req.sub & SP_STORE_LIMIT_DROP_OLDEST;
    sp_lmdb_row_usr_dirty(t);
    sp_lmdb_walk_numbers(t, u, &job->done);
    return 0;
}
