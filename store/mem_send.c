/* The sender's side of the reference model: APPEND, FINISH, STATUS. */
#include "mem_engine.h"

#include <string.h>

#define STATUS_SCAN 4096U /* rows one STATUS without ids looks at */

/* ---- APPEND ---- */

static int repeat(struct sp_job *job, const struct sp_mem_row *row)
{
    const struct sp_store_req *r = &job->req;
    bool same_to =
        row->to->id.id.n == r->to[0].id.n && memcmp(row->to->id.id.p, r->to[0].id.p, r->to[0].id.n) == 0;
    if (!same_to || memcmp(row->hash, r->hash, sizeof(row->hash)) != 0)
        return SP_EREUSED;
    job->done.repeat = true;
    job->done.seq.v = row->seq;
    job->done.state = sp_mem_state(row);
    return 0;
}

static uint32_t count_max(const struct sp_mem *m, const struct sp_mem_user *u)
{
    return u->max_count ? u->max_count : m->cfg.mailbox_count;
}

static uint64_t bytes_max(const struct sp_mem *m, const struct sp_mem_user *u)
{
    return u->max_bytes ? u->max_bytes : m->cfg.mailbox_bytes;
}

/* One sender may hold only a share of a mailbox, but always one message. */
static bool is_over_share(const struct sp_mem *m, const struct sp_mem_user *u, const struct sp_store_req *r)
{
    uint64_t n = 0;
    uint64_t bytes = 0;
    for (uint32_t seq = u->confirmed + 1; seq <= u->head; seq++) {
        const struct sp_mem_msg *msg = sp_mem_model_slot(u, seq)->msg;
        if (!msg || msg->from->id.id.n != r->from.user.id.n ||
            memcmp(msg->from->id.id.p, r->from.user.id.p, r->from.user.id.n) != 0)
            continue;
        n++;
        bytes += msg->body_n;
    }
    if (n == 0)
        return false;
    return (n + 1) * 100 > (uint64_t)count_max(m, u) * m->cfg.share_percent ||
           (bytes + r->body.n) * 100 > bytes_max(m, u) * m->cfg.share_percent;
}

static bool fits(const struct sp_mem *m, const struct sp_mem_user *u, uint32_t count, uint64_t bytes,
                 size_t body)
{
    return count < count_max(m, u) && bytes + body <= bytes_max(m, u);
}

/* Names the oldest messages that must end so that the new one fits: those up to *end.  SP_EQUOTA: it never
 * will. */
static int plan_push_out(const struct sp_mem *m, const struct sp_mem_user *u, struct sp_job *job,
                         uint32_t *end)
{
    uint32_t count = u->count;
    uint64_t bytes = u->bytes;
    uint32_t upto = u->confirmed;
    unsigned out = 0;
    while (!fits(m, u, count, bytes, job->req.body.n)) {
        if (upto == u->head || out == SP_STORE_ENTRIES_MAX - 1)
            return SP_EQUOTA;
        const struct sp_mem_msg *msg = sp_mem_model_slot(u, ++upto)->msg;
        if (!msg)
            continue;
        out++;
        count--;
        bytes -= msg->body_n;
    }
    for (uint32_t seq = u->confirmed + 1; seq <= upto; seq++) {
        if (!sp_mem_model_slot(u, seq)->msg)
            continue;
        int err = sp_mem_add_message(job, u, seq, SP_STATE_ENDED);
        if (err)
            return err;
    }
    *end = upto;
    return 0;
}

static void push_out(struct sp_mem_user *u, uint32_t end)
{
    for (uint32_t seq = u->confirmed + 1; seq <= end; seq++) {
        if (sp_mem_model_slot(u, seq)->msg)
            sp_mem_end(u, seq, SP_STORE_WHY_DROPPED);
    }
}

/* The messages up to *end must end when the new one is stored. */
static int plan_room(const struct sp_mem *m, const struct sp_mem_user *u, struct sp_job *job, uint32_t *end)
{
    *end = u->confirmed;
    if (u->drop_oldest || m->cfg.drop_oldest)
        return plan_push_out(m, u, job, end);
    if (!fits(m, u, u->count, u->bytes, job->req.body.n) || is_over_share(m, u, &job->req))
        return SP_EQUOTA;
    return 0;
}

/* from NULL: a sender seen for the first time. */
static int put_message(struct sp_mem *m, struct sp_mem_user *from, struct sp_mem_user *to, struct sp_job *job)
{
    const struct sp_store_req *r = &job->req;
    if (!from)
        from = sp_mem_model_get(&m->model, r->from.user);
    struct sp_mem_device *d = sp_mem_model_device_get(from, r->from.device);
    struct sp_mem_slot *slot = sp_mem_model_slot_next(to);
    if (!d || !slot)
        return SP_EBUSY;
    struct sp_mem_msg like = {.from = from,
                              .device = r->from.device,
                              .msgid = r->from.msgid,
                              .at_us = r->at_us,
                              .expires_us = r->expires_us};
    slot->msg = sp_mem_model_msg(&like, r->body);
    if (!slot->msg)
        return SP_EBUSY;
    struct sp_mem_row row = {.msgid = r->from.msgid, .to = to, .seq = to->head + 1, .at_us = r->at_us};
    memcpy(row.hash, r->hash, sizeof(row.hash));
    if (sp_mem_model_row_add(d, &row)) {
        sp_mem_model_forget(slot);
        return SP_EBUSY;
    }
    to->head++;
    to->count++;
    to->bytes += r->body.n;
    if (d->last.v < r->from.msgid.v)
        d->last = r->from.msgid;
    job->done.seq.v = to->head;
    job->done.state = SP_STATE_ACCEPTED;
    return 0;
}

static bool is_seen(const struct sp_mem_device *d, struct sp_msgid id)
{
    return d && (id.v <= d->finished.v || id.v <= d->floor.v || sp_mem_model_row(d, id));
}

/* Steps 1 to 5 of the header.  1: the message is new and may be stored. */
static int judge(const struct sp_mem_user *from, struct sp_job *job)
{
    const struct sp_store_req *r = &job->req;
    const struct sp_mem_device *d = sp_mem_model_device(from, r->from.device);
    if (d && r->from.msgid.v <= d->finished.v)
        return SP_EEXPIRED;
    const struct sp_mem_row *row = sp_mem_model_row(d, r->from.msgid);
    if (row)
        return repeat(job, row);
    if (d && r->from.msgid.v <= d->floor.v)
        return SP_EEXPIRED;
    if (r->after.v && !is_seen(d, r->after))
        return SP_EAGAIN;
    return r->deny ? r->deny : 1;
}

int sp_mem_send_append(struct sp_mem *m, struct sp_job *job)
{
    struct sp_store_entry *first = sp_job_entry(job);
    if (!first)
        return SP_EBUSY;
    first->to = job->req.to[0];
    struct sp_mem_user *from = sp_mem_model_find(&m->model, job->req.from.user);
    struct sp_mem_user *to = NULL;
    int err = judge(from, job);
    if (err == 1) {
        to = sp_mem_model_get(&m->model, job->req.to[0]);
        if (!to)
            return SP_EBUSY;
        uint32_t end;
        err = to->head == UINT32_MAX ? SP_ESEQ : plan_room(m, to, job, &end);
        if (!err)
            err = put_message(m, from, to, job);
        if (!err)
            push_out(to, end);
        if (err == SP_ESEQ || err == SP_EQUOTA)
            sp_mem_numbers(m, to, &job->done);
    }
    if (err)
        return err;
    struct sp_claim c = sp_claim_newest(m->claims, job->req.to[0].id);
    job->entries[0].seq = job->done.seq;
    job->entries[0].state = job->done.state;
    job->entries[0].holder = c.holder;
    job->entries[0].fence = c.fence;
    sp_mem_numbers(m, to ? to : sp_mem_model_find(&m->model, job->req.to[0]), &job->done);
    return 0;
}

/* ---- FINISH and STATUS ---- */

int sp_mem_send_finish(struct sp_mem *m, struct sp_job *job)
{
    const struct sp_store_req *r = &job->req;
    struct sp_mem_user *u = sp_mem_model_get(&m->model, r->from.user);
    struct sp_mem_device *d = sp_mem_model_device_get(u, r->from.device);
    if (!d)
        return SP_EBUSY;
    if (d->finished.v < r->from.msgid.v) {
        d->finished = r->from.msgid;
        size_t upto = sp_mem_model_row_at(d, r->from.msgid);
        if (upto < d->rows_n && d->rows[upto].msgid.v == r->from.msgid.v)
            upto++;
        sp_mem_model_rows_cut(d, 0, upto);
    }
    job->done.last = d->last;
    job->done.finished = d->finished.v > d->floor.v ? d->finished : d->floor;
    return 0;
}

/* One line of a STATUS; row NULL: unknown. */
static int status_one(struct sp_job *job, struct sp_msgid id, const struct sp_mem_row *row)
{
    struct sp_store_entry *e = sp_job_entry(job);
    if (!e)
        return SP_EBUSY;
    e->from = job->req.from;
    e->from.msgid = id;
    e->state = row ? sp_mem_state(row) : SP_STATE_UNKNOWN;
    e->seq.v = row ? row->seq : 0;
    if (row)
        e->to = row->to->id;
    return 0;
}

static int status_open(struct sp_job *job, const struct sp_mem_device *d)
{
    struct sp_msgid above = job->req.from.msgid;
    if (!d || above.v == UINT64_MAX)
        return 0;
    size_t i = sp_mem_model_row_at(d, (struct sp_msgid){above.v + 1});
    for (size_t end = i + STATUS_SCAN; i < d->rows_n; i++) {
        if (i == end || job->entries_n == SP_STORE_ENTRIES_MAX) {
            job->done.more = true;
            job->done.last = d->rows[i - 1].msgid;
            return 0;
        }
        if (sp_mem_state(&d->rows[i]) != SP_STATE_ACCEPTED)
            continue;
        int err = status_one(job, d->rows[i].msgid, &d->rows[i]);
        if (err)
            return err;
    }
    return 0;
}

int sp_mem_send_status(struct sp_mem *m, struct sp_job *job)
{
    const struct sp_store_req *r = &job->req;
    const struct sp_mem_device *d =
        sp_mem_model_device(sp_mem_model_find(&m->model, r->from.user), r->from.device);
    if (d) {
        job->done.last = d->last;
        job->done.finished = d->finished.v > d->floor.v ? d->finished : d->floor;
    }
    if (r->msgids_n == 0)
        return status_open(job, d);
    for (size_t i = 0; i < r->msgids_n; i++) {
        int err = status_one(job, r->msgids[i], sp_mem_model_row(d, r->msgids[i]));
        if (err)
            return err;
    }
    return 0;
}
