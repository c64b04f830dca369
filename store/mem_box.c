/* The recipient's side of the reference model: CONFIRM, MARK, TRIM, LIMIT, HEAD, RANGE. */
#include "mem_engine.h"

/* Each op names its messages first and changes them then: without memory nothing is changed. */

/* Names the messages above the cursor up to *upto, which becomes less when the answer is full. */
static int name_delivered(struct sp_job *job, const struct sp_mem_user *u, uint32_t *upto)
{
    for (uint32_t seq = job->done.confirmed.v + 1; seq <= *upto && seq > 0; seq++) {
        if (!sp_mem_model_slot(u, seq)->msg)
            continue;
        if (job->entries_n == SP_STORE_ENTRIES_MAX) {
            job->done.more = true;
            *upto = seq - 1;
            return 0;
        }
        int err = sp_mem_add_message(job, u, seq, SP_STATE_DELIVERED);
        if (err)
            return err;
    }
    return 0;
}

int sp_mem_box_confirm(struct sp_mem *m, struct sp_job *job)
{
    const struct sp_store_req *r = &job->req;
    struct sp_mem_user *u = sp_mem_model_find(&m->model, r->to[0]);
    sp_mem_numbers(m, u, &job->done);
    if (r->fence && sp_claim_find(m->claims, r->to[0].id, r->device).fence != r->fence)
        return SP_EFENCED;
    if (r->seq.v > job->done.svr_seq.v)
        return SP_EHIGH;
    uint32_t upto = r->seq.v;
    int err = name_delivered(job, u, &upto);
    if (err)
        return err;
    for (uint32_t seq = job->done.confirmed.v + 1; seq <= upto && seq > 0; seq++) {
        const struct sp_mem_slot *s = sp_mem_model_slot(u, seq);
        if (s->msg)
            sp_mem_close(u, s->msg);
        u->confirmed = seq;
    }
    sp_mem_numbers(m, u, &job->done);
    return 0;
}

typedef void each_fn(struct sp_mem_user *u, uint32_t seq, int why);

/* Names message `seq`, if it is one and not yet named.  SP_EFULL: the answer is. */
static int name_one(struct sp_job *job, const struct sp_mem_user *u, uint32_t seq)
{
    int state = job->req.op == SP_STORE_MARK ? SP_STATE_READ : SP_STATE_ENDED;
    struct sp_mem_slot *s = sp_mem_model_slot(u, seq);
    if (!s->msg || s->named)
        return 0;
    if (job->entries_n == SP_STORE_ENTRIES_MAX)
        return SP_EFULL;
    int err = sp_mem_add_message(job, u, seq, state);
    s->named = !err;
    return err;
}

/* The part of the span in (lo, hi]; empty: *first > *last. */
static void cut(const struct sp_store_span *span, uint32_t lo, uint32_t hi, uint64_t *first, uint64_t *last)
{
    *first = span->lo.v > lo ? span->lo.v : (uint64_t)lo + 1;
    *last = span->hi.v < hi ? span->hi.v : hi;
}

static int name_all(struct sp_job *job, const struct sp_mem_user *u, uint32_t lo, uint32_t hi)
{
    int err = 0;
    for (size_t i = 0; i < job->req.spans_n; i++) {
        uint64_t seq;
        uint64_t last;
        for (cut(&job->req.spans[i], lo, hi, &seq, &last); seq <= last && !err; seq++)
            err = name_one(job, u, (uint32_t)seq);
    }
    return err;
}

/* The common part of MARK and TRIM: every message in the spans cut to (lo, hi]. */
static int each_message(struct sp_job *job, struct sp_mem_user *u, uint32_t lo, uint32_t hi, each_fn *each)
{
    int err = name_all(job, u, lo, hi);
    job->done.more = err == SP_EFULL;
    if (err == SP_EFULL)
        err = 0;
    for (size_t i = 0; i < job->req.spans_n; i++) {
        const struct sp_store_span *span = &job->req.spans[i];
        uint64_t seq;
        uint64_t last;
        for (cut(span, lo, hi, &seq, &last); seq <= last; seq++) {
            struct sp_mem_slot *s = sp_mem_model_slot(u, (uint32_t)seq);
            if (!s->named)
                continue;
            s->named = false;
            if (!err)
                each(u, (uint32_t)seq, span->why);
        }
    }
    return err;
}

static void mark_one(struct sp_mem_user *u, uint32_t seq, int why)
{
    (void)why;
    struct sp_mem_slot *s = sp_mem_model_slot(u, seq);
    sp_mem_set_state(s->msg, u, seq, SP_STATE_READ);
    sp_mem_model_forget(s);
}

int sp_mem_box_mark(struct sp_mem *m, struct sp_job *job)
{
    struct sp_mem_user *u = sp_mem_model_find(&m->model, job->req.to[0]);
    sp_mem_numbers(m, u, &job->done);
    return u ? each_message(job, u, u->start, u->confirmed, mark_one) : 0;
}

int sp_mem_box_trim(struct sp_mem *m, struct sp_job *job)
{
    struct sp_mem_user *u = sp_mem_model_find(&m->model, job->req.to[0]);
    sp_mem_numbers(m, u, &job->done);
    return u ? each_message(job, u, u->confirmed, u->head, sp_mem_end) : 0;
}

int sp_mem_box_limit(struct sp_mem *m, struct sp_job *job)
{
    struct sp_mem_user *u = sp_mem_model_get(&m->model, job->req.to[0]);
    if (!u)
        return SP_EBUSY;
    u->max_count = job->req.max;
    u->max_bytes = job->req.max_bytes;
    u->drop_oldest = job->req.sub & SP_STORE_LIMIT_DROP_OLDEST;
    sp_mem_numbers(m, u, &job->done);
    return 0;
}

int sp_mem_box_head(struct sp_mem *m, struct sp_job *job)
{
    const struct sp_mem_user *u = sp_mem_model_find(&m->model, job->req.to[0]);
    const struct sp_mem_device *d = sp_mem_model_device(u, job->req.device);
    struct sp_claim c = sp_claim_newest(m->claims, job->req.to[0].id);
    sp_mem_numbers(m, u, &job->done);
    job->done.floor = job->done.confirmed;
    job->done.count = u ? u->count : 0;
    job->done.bytes = u ? u->bytes : 0;
    job->done.holder = c.holder;
    job->done.fence = c.fence;
    if (d) {
        job->done.last = d->last;
        job->done.finished = d->finished.v > d->floor.v ? d->finished : d->floor;
    }
    return 0;
}

#define BYTES_MAX (1U << 20)

/* Names one seq above the cursor.  1: the answer is full. */
static int range_one(struct sp_job *job, const struct sp_mem_user *u, uint32_t seq, uint64_t *bytes)
{
    const struct sp_store_req *r = &job->req;
    const struct sp_mem_slot *s = sp_mem_model_slot(u, seq);
    if (!s->msg) {
        int err = sp_job_skip(job, seq, seq, s->why);
        return err == SP_EFULL ? 1 : err;
    }
    uint64_t bytes_max = r->max_bytes && r->max_bytes < BYTES_MAX ? r->max_bytes : BYTES_MAX;
    size_t max = r->max ? r->max : SP_STORE_ENTRIES_MAX;
    if (job->entries_n == max || (job->entries_n > 0 && *bytes + s->msg->body_n > bytes_max))
        return 1;
    *bytes += s->msg->body_n;
    int err = sp_mem_add_message(job, u, seq, SP_STATE_ACCEPTED);
    if (err)
        return err;
    struct sp_view body = {s->msg->body, s->msg->body_n};
    return sp_job_copy(job, body, &job->entries[job->entries_n - 1].body);
}

int sp_mem_box_range(struct sp_mem *m, struct sp_job *job)
{
    const struct sp_mem_user *u = sp_mem_model_find(&m->model, job->req.to[0]);
    struct sp_store_done *d = &job->done;
    sp_mem_numbers(m, u, d);
    d->floor = d->confirmed;
    if (job->req.seq.v > d->svr_seq.v)
        return SP_EHIGH;
    uint32_t seq = job->req.seq.v;
    if (seq < d->confirmed.v) {
        if (sp_job_skip(job, seq + 1, d->confirmed.v, SP_STORE_WHY_CONFIRMED))
            return SP_EBUSY;
        seq = d->confirmed.v;
    }
    uint64_t bytes = 0;
    int err = 0;
    while (!err && seq < d->svr_seq.v) {
        err = range_one(job, u, seq + 1, &bytes);
        if (!err)
            seq++;
    }
    d->to.v = seq;
    d->more = err == 1;
    return err == 1 ? 0 : err;
}
