/* The reference model: every rule of store.h in its plainest form, in memory, executed when its port is
 * polled.  The other engines are compared with it.  Nothing of it is durable. */
#include "mem_engine.h"

#include <stdlib.h>

#define SWEEP_US (3600LL * 1000000) /* at most this long between two looks for old rows */

struct sp_mem_port {
    struct sp_engine_port base;
    struct sp_mem_port *next;
    struct sp_job_list jobs;
};

/* ---- what the files share ---- */

int sp_mem_state(const struct sp_mem_row *row)
{
    if (row->state)
        return row->state;
    return row->to->confirmed >= row->seq ? SP_STATE_DELIVERED : SP_STATE_ACCEPTED;
}

void sp_mem_numbers(const struct sp_mem *m, const struct sp_mem_user *u, struct sp_store_done *d)
{
    d->epoch.v = m->cfg.epoch ? m->cfg.epoch : 1;
    d->svr_seq.v = u ? u->head : m->cfg.head_start;
    d->confirmed.v = u ? u->confirmed : m->cfg.head_start;
}

/* Names message `seq` of u, which is there, in the answer. */
int sp_mem_add_message(struct sp_job *job, const struct sp_mem_user *u, uint32_t seq, int state)
{
    const struct sp_mem_msg *msg = sp_mem_model_slot(u, seq)->msg;
    struct sp_store_entry *e = sp_job_entry(job);
    if (!e)
        return SP_EBUSY;
    e->seq.v = seq;
    e->state = state;
    e->at_us = msg->at_us;
    e->expires_us = msg->expires_us;
    e->from.device = msg->device;
    e->from.msgid = msg->msgid;
    e->to = u->id; /* users stay until the store is closed */
    e->from.user = msg->from->id;
    return 0;
}

void sp_mem_close(struct sp_mem_user *u, struct sp_mem_msg *msg)
{
    u->count--;
    u->bytes -= msg->body_n;
    free(msg->body);
    msg->body = NULL;
}

void sp_mem_set_state(const struct sp_mem_msg *msg, const struct sp_mem_user *to, uint32_t seq, int state)
{
    struct sp_mem_row *row = sp_mem_model_row(sp_mem_model_device(msg->from, msg->device), msg->msgid);
    if (row && row->to == to && row->seq == seq)
        row->state = state;
}

/* The open message `seq` of u becomes a tombstone. */
void sp_mem_end(struct sp_mem_user *u, uint32_t seq, int why)
{
    struct sp_mem_slot *s = sp_mem_model_slot(u, seq);
    sp_mem_set_state(s->msg, u, seq, SP_STATE_ENDED);
    sp_mem_close(u, s->msg);
    sp_mem_model_forget(s);
    s->why = why;
}

/* ---- claims ---- */

static int do_claim(struct sp_mem *m, struct sp_job *job)
{
    struct sp_claim claim = {.holder = job->req.holder};
    struct sp_claim former;
    int err = sp_claim_take(m->claims, job->req.to[0].id, job->req.device, &claim, &former);
    if (err)
        return err;
    job->done.fence = claim.fence;
    job->done.holder = former.holder;
    sp_mem_numbers(m, sp_mem_model_find(&m->model, job->req.to[0]), &job->done);
    return 0;
}

static int do_release(struct sp_mem *m, struct sp_job *job)
{
    return sp_claim_drop(m->claims, job->req.to[0].id, job->req.device, job->req.fence);
}

/* ---- age ---- */

/* Rows older than dedup_keep go, and the floor rises with them. */
static void sweep_device(struct sp_mem *m, struct sp_mem_device *d, int64_t before_us)
{
    for (size_t i = d->rows_n; i-- > 0;) {
        if (d->rows[i].at_us >= before_us)
            continue;
        if (d->floor.v < d->rows[i].msgid.v)
            d->floor = d->rows[i].msgid;
        sp_mem_model_rows_cut(d, i, i + 1);
        m->stats.swept++;
    }
}

static void sweep_box(struct sp_mem *m, struct sp_mem_user *u, int64_t before_us)
{
    for (uint32_t seq = u->start + 1; seq > u->start && seq <= u->head; seq++) {
        struct sp_mem_slot *s = sp_mem_model_slot(u, seq);
        if (!s->msg)
            continue;
        if (seq <= u->confirmed && s->msg->at_us < before_us) {
            sp_mem_model_forget(s);
            m->stats.swept++;
        } else if (seq > u->confirmed && s->msg->expires_us && s->msg->expires_us <= m->clock_us) {
            sp_mem_end(u, seq, SP_STORE_WHY_EXPIRED);
        }
    }
}

static void sweep(struct sp_mem *m)
{
    if (m->clock_us < m->sweep_at_us)
        return;
    int64_t every_us = m->cfg.dedup_keep_us / 8 < SWEEP_US ? m->cfg.dedup_keep_us / 8 : SWEEP_US;
    m->sweep_at_us = m->clock_us + every_us;
    int64_t before_us = m->clock_us - m->cfg.dedup_keep_us;
    for (size_t i = 0; i < m->model.chains_n; i++) {
        for (struct sp_mem_user *u = m->model.chains[i]; u; u = u->next) {
            for (struct sp_mem_device *d = u->devices; d; d = d->next)
                sweep_device(m, d, before_us);
            sweep_box(m, u, before_us);
        }
    }
}

/* ---- the engine ---- */

static int (*const ops[SP_STORE_OPS])(struct sp_mem *m, struct sp_job *job) = {
    [SP_STORE_APPEND] = sp_mem_send_append,
    [SP_STORE_CONFIRM] = sp_mem_box_confirm,
    [SP_STORE_FINISH] = sp_mem_send_finish,
    [SP_STORE_MARK] = sp_mem_box_mark,
    [SP_STORE_TRIM] = sp_mem_box_trim,
    [SP_STORE_RANGE] = sp_mem_box_range,
    [SP_STORE_HEAD] = sp_mem_box_head,
    [SP_STORE_STATUS] = sp_mem_send_status,
    [SP_STORE_CLAIM] = do_claim,
    [SP_STORE_RELEASE] = do_release,
    [SP_STORE_LIMIT] = sp_mem_box_limit,
};

static bool has_commit(enum sp_store_op op)
{
    return op == SP_STORE_APPEND || op == SP_STORE_CONFIRM || op == SP_STORE_FINISH || op == SP_STORE_MARK ||
           op == SP_STORE_TRIM || op == SP_STORE_LIMIT;
}

static void note_append(struct sp_mem *m, const struct sp_job *job)
{
    if (job->done.err)
        m->stats.refused++;
    else if (job->done.repeat)
        m->stats.repeats++;
    else
        m->stats.appends++;
}

static void execute(struct sp_mem *m, struct sp_job *job)
{
    if (job->done.err)
        return;
    if (m->clock_us < job->req.at_us)
        m->clock_us = job->req.at_us;
    int err = ops[job->req.op](m, job);
    if (err) {
        struct sp_store_done keep = job->done;
        sp_job_reset(job, err);
        job->done.epoch = keep.epoch;
        job->done.svr_seq = keep.svr_seq;
        job->done.confirmed = keep.confirmed;
        job->done.floor = keep.floor;
    } else if (has_commit(job->req.op)) {
        job->done.commit = ++m->stats.commits;
    }
    if (job->req.op == SP_STORE_APPEND)
        note_append(m, job);
    sweep(m);
}

static int mem_open(struct sp_engine **out, const char *rest, const struct sp_store_config *cfg)
{
    if (*rest) {
        sp_engine_reason(cfg, "mem: takes nothing behind the colon");
        return SP_EINVAL;
    }
    struct sp_mem *m = calloc(1, sizeof(*m));
    if (!m)
        return SP_EIO;
    m->base.ops = &sp_mem_engine;
    m->cfg = *cfg;
    if (sp_mem_model_init(&m->model, cfg->head_start)) {
        free(m);
        return SP_EIO;
    }
    if (sp_claim_open(&m->claims, 1)) {
        sp_mem_model_wipe(&m->model);
        free(m);
        return SP_EIO;
    }
    (void)pthread_mutex_init(&m->lock, NULL);
    *out = &m->base;
    return 0;
}

static int mem_attach(struct sp_engine *e, struct sp_engine_port **out)
{
    struct sp_mem *m = (struct sp_mem *)e;
    struct sp_mem_port *p = calloc(1, sizeof(*p));
    if (!p)
        return SP_EIO;
    p->base.engine = e;
    (void)pthread_mutex_lock(&m->lock);
    p->next = m->ports;
    m->ports = p;
    (void)pthread_mutex_unlock(&m->lock);
    *out = &p->base;
    return 0;
}

static int mem_wake_fd(const struct sp_engine_port *p)
{
    (void)p;
    return -1;
}

static void mem_submit(struct sp_engine_port *port, struct sp_job_list *jobs)
{
    sp_job_join(&((struct sp_mem_port *)port)->jobs, jobs);
}

static void mem_poll(struct sp_engine_port *port, struct sp_job_list *out, size_t cap, sp_time now)
{
    (void)now;
    struct sp_mem *m = (struct sp_mem *)port->engine;
    struct sp_mem_port *p = (struct sp_mem_port *)port;
    if (!p->jobs.first)
        return;
    (void)pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < cap && p->jobs.first; i++) {
        struct sp_job *job = sp_job_pop(&p->jobs);
        execute(m, job);
        sp_job_push(out, job);
    }
    (void)pthread_mutex_unlock(&m->lock);
}

static sp_time mem_deadline(const struct sp_engine_port *port)
{
    return ((const struct sp_mem_port *)port)->jobs.first ? INT64_MIN : SP_NEVER;
}

static size_t mem_step(struct sp_engine *e)
{
    (void)e;
    return 0;
}

static void mem_stats(struct sp_engine *e, struct sp_store_stats *out)
{
    struct sp_mem *m = (struct sp_mem *)e;
    (void)pthread_mutex_lock(&m->lock);
    *out = m->stats;
    (void)pthread_mutex_unlock(&m->lock);
}

static void mem_close(struct sp_engine *e)
{
    struct sp_mem *m = (struct sp_mem *)e;
    while (m->ports) {
        struct sp_mem_port *p = m->ports;
        m->ports = p->next;
        for (struct sp_job *job; (job = sp_job_pop(&p->jobs));)
            sp_job_destroy(&job);
        free(p);
    }
    sp_claim_close(&m->claims);
    sp_mem_model_wipe(&m->model);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

const struct sp_engine_ops sp_mem_engine = {
    .scheme = "mem",
    .open = mem_open,
    .attach = mem_attach,
    .wake_fd = mem_wake_fd,
    .submit = mem_submit,
    .poll = mem_poll,
    .deadline = mem_deadline,
    .step = mem_step,
    .stats = mem_stats,
    .close = mem_close,
};
