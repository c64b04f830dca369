/* The workload. */
#include "crash_load.h"

#include <stdio.h>
#include <string.h>

#define BATCH_MAX 60U
#define POLL_MAX  16U

/* ---- drawing requests ---- */

static uint32_t draw_size(struct crash_rng *r)
{
    uint32_t kind = crash_below(r, 100);
    if (kind < 30)
        return crash_below(r, 65);
    if (kind < 80)
        return crash_below(r, 400);
    if (kind < 95)
        return 1800 + crash_below(r, 2300);
    return crash_below(r, 20000);
}

/* A random identity that was sent; false: none was. */
static bool draw_sent(struct crash_load *l, size_t *n)
{
    const struct crash_model *m = l->model;
    if (m->ids_n == 0)
        return false;
    *n = crash_below(&l->rng, (uint32_t)m->ids_n);
    return m->ids[*n].sent;
}

static bool draw_repeat(struct crash_load *l, struct crash_req *q)
{
    if (!draw_sent(l, &q->id))
        return false;
    q->other_hash = l->model->ids[q->id].stored && crash_chance(&l->rng, 20);
    return true;
}

static bool draw_new(struct crash_load *l, struct crash_req *q)
{
    struct crash_model *m = l->model;
    if (!crash_model_new(m, q->box, q->device, &q->id))
        return false;
    struct crash_id *id = &m->ids[q->id];
    id->to = (uint8_t)crash_below(&l->rng, CRASH_BOXES);
    id->body_n = draw_size(&l->rng);
    id->expires_us =
        crash_chance(&l->rng, 8) ? m->clock_us + 1000000 * (1 + (int64_t)crash_below(&l->rng, 30)) : 0;
    q->deny = crash_chance(&l->rng, 3) ? SP_EFORBIDDEN : 0;
    size_t before;
    if (crash_chance(&l->rng, 20) && draw_sent(l, &before) && m->ids[before].sender == id->sender &&
        m->ids[before].device == id->device)
        q->after = before + 1;
    return true;
}

static bool draw_append(struct crash_load *l, struct crash_req *q)
{
    if (crash_chance(&l->rng, 18))
        return draw_repeat(l, q);
    return draw_new(l, q) || draw_repeat(l, q);
}

static void draw_span(struct crash_load *l, struct crash_req *q, uint32_t lo, uint32_t hi)
{
    q->lo = lo + crash_below(&l->rng, hi >= lo ? hi - lo + 1 : 1);
    q->hi = q->lo + crash_below(&l->rng, 6);
}

static void draw_limit(struct crash_load *l, struct crash_req *q)
{
    if (crash_chance(&l->rng, 60))
        return; /* as configured again */
    q->max = 5 + crash_below(&l->rng, 20);
    q->max_bytes = crash_chance(&l->rng, 30) ? 20000 + crash_below(&l->rng, 20000) : 0;
    q->sub = crash_chance(&l->rng, 50) ? SP_STORE_LIMIT_DROP_OLDEST : 0;
}

bool crash_load_draw(struct crash_load *l, enum sp_store_op op, struct crash_req *q)
{
    const struct crash_model *m = l->model;
    *q = (struct crash_req){.op = op,
                            .box = crash_below(&l->rng, CRASH_BOXES),
                            .device = 1 + crash_below(&l->rng, CRASH_DEVICES),
                            .at_us = m->clock_us};
    const struct crash_box *b = &m->box[q->box];
    const struct crash_device *d = &m->device[q->box][q->device - 1];
    switch (op) {
    case SP_STORE_APPEND:
        return draw_append(l, q);
    case SP_STORE_CONFIRM:
        q->hi = b->confirmed_min + crash_below(&l->rng, b->head_min - b->confirmed_min + 1);
        return true;
    case SP_STORE_FINISH:
        q->msgid = d->next - 1 - crash_below(&l->rng, 20);
        return true;
    case SP_STORE_MARK:
        draw_span(l, q, 1, b->confirmed_min);
        return true;
    case SP_STORE_TRIM:
        draw_span(l, q, b->confirmed_min + 1, b->head_min);
        q->why = (int)(SP_STORE_WHY_EXPIRED + crash_below(&l->rng, 3));
        return true;
    case SP_STORE_RANGE:
        q->lo = crash_below(&l->rng, b->head_min + 1);
        return true;
    case SP_STORE_LIMIT:
        draw_limit(l, q);
        return true;
    case SP_STORE_STATUS:
        q->msgid = crash_chance(&l->rng, 50) ? 0 : 1;
        return true;
    default:
        return true;
    }
}

static enum sp_store_op draw_op(struct crash_rng *r)
{
    static const struct {
        enum sp_store_op op;
        uint32_t below;
    } table[] = {{SP_STORE_APPEND, 58}, {SP_STORE_CONFIRM, 70}, {SP_STORE_FINISH, 74}, {SP_STORE_MARK, 79},
                 {SP_STORE_TRIM, 83},   {SP_STORE_LIMIT, 85},   {SP_STORE_RANGE, 90},  {SP_STORE_HEAD, 93},
                 {SP_STORE_STATUS, 97}, {SP_STORE_CLAIM, 100}};
    uint32_t x = crash_below(r, 100);
    size_t i = 0;
    while (x >= table[i].below)
        i++;
    return table[i].op;
}

/* ---- driving ---- */

static void submit(struct crash_load *l, const struct crash_req *q)
{
    struct sp_store_span span;
    struct sp_msgid msgids[CRASH_IDS];
    struct sp_store_req r = crash_model_request(l->model, q, &span, msgids);
    r.cookie = crash_log_submit(l->log, q);
    crash_model_submit(l->model, q);
    if (sp_store_submit(l->port, &r, 1))
        crash_die("the port takes no request");
}

void crash_load_translate(const struct crash_model *m, const struct crash_req *q,
                          const struct sp_store_done *d, struct crash_answer *a, struct crash_line *lines)
{
    *a = (struct crash_answer){.req = (size_t)d->cookie,
                               .err = d->err,
                               .repeat = d->repeat,
                               .state = d->state,
                               .seq = d->seq.v,
                               .svr_seq = d->svr_seq.v,
                               .confirmed = d->confirmed.v,
                               .fence = d->fence,
                               .epoch = d->epoch.v,
                               .lines = lines};
    /* The first entry of an APPEND names its recipient; it is in seq and state already. */
    for (size_t i = q->op == SP_STORE_APPEND; i < d->entries_n; i++) {
        const struct sp_store_entry *e = &d->entries[i];
        struct crash_line *line = &lines[a->lines_n++];
        *line = (struct crash_line){crash_model_find(m, &e->from), e->seq.v, e->state, true};
        if (q->op != SP_STORE_RANGE || line->id == CRASH_IDS)
            continue;
        struct sp_view body = crash_model_body(&m->ids[line->id]);
        line->body_is_right = body.n == e->body.n && memcmp(body.p, e->body.p, body.n) == 0;
    }
}

static void count(struct crash_load *l, int err)
{
    l->ok += err == 0;
    l->unknown += err == SP_EUNKNOWN;
    l->failed += err == SP_EFAILED;
    l->nospace += err == SP_ENOSPACE;
    l->busy += err == SP_EBUSY;
}

static void take(struct crash_load *l, struct sp_store_done *d)
{
    static struct crash_line lines[SP_STORE_ENTRIES_MAX];
    struct crash_answer a;
    const struct crash_req *q = &l->log->reqs[d->cookie];
    crash_load_translate(l->model, q, d, &a, lines);
    bool reads = q->op == SP_STORE_RANGE || q->op == SP_STORE_HEAD || q->op == SP_STORE_STATUS;
    crash_model_answer(l->model, q, &a, &l->verdict);
    count(l, a.err);
    if (l->early && !reads) {
        crash_log_answer(l->log, &a, l->step_at++);
        return;
    }
    crash_log_answer(l->log, &a, l->log->n);
}

static size_t poll_some(struct crash_load *l)
{
    struct sp_store_done done[POLL_MAX];
    size_t n = 0;
    (void)sp_store_poll(l->port, done, POLL_MAX, &n, 0);
    for (size_t i = 0; i < n; i++) {
        take(l, &done[i]);
        sp_store_release(l->port, &done[i]);
    }
    return n;
}

static void step(struct crash_load *l)
{
    l->step_at = l->log->n;
    (void)sp_store_step(l->store);
}

/* Polls and steps until everything is answered. */
static void drain(struct crash_load *l)
{
    for (unsigned idle = 0; sp_store_pending(l->port) > 0; idle++) {
        if (poll_some(l) > 0)
            idle = 0;
        else
            step(l);
        if (idle > 10)
            crash_die("a request is never answered");
    }
}

static uint32_t draw_batch(struct crash_rng *r)
{
    uint32_t kind = crash_below(r, 10);
    if (kind < 6)
        return 1 + crash_below(r, 4);
    return kind < 9 ? 5 + crash_below(r, 12) : 20 + crash_below(r, BATCH_MAX - 20);
}

/* Wall time goes on; now and then it jumps, so that rows age and the sweep has work. */
static void tick(struct crash_load *l)
{
    struct crash_model *m = l->model;
    m->clock_us += crash_chance(&l->rng, 8) ? CRASH_KEEP_US / 2 : crash_below(&l->rng, 400000);
}

void crash_load_step(struct crash_load *l)
{
    uint32_t n = draw_batch(&l->rng);
    struct crash_req q;
    tick(l);
    for (uint32_t i = 0; i < n; i++) {
        if (crash_load_draw(l, draw_op(&l->rng), &q))
            submit(l, &q);
    }
    step(l);
    if (l->patient || crash_chance(&l->rng, 90)) /* else the answers wait for the next turn */
        drain(l);
}

int crash_load_one(struct crash_load *l, const struct crash_req *q)
{
    size_t events = l->log->n;
    submit(l, q);
    drain(l);
    for (size_t i = events; i < l->log->n; i++) {
        const struct crash_event *e = &l->log->events[i];
        if (e->kind == CRASH_EVENT_ANSWER && e->answer.req == l->log->reqs_n - 1)
            return e->answer.err;
    }
    crash_die("a request was not answered");
}

int crash_load_open(struct crash_load *l, const char *dir)
{
    struct sp_store_config cfg;
    char url[CRASH_PATH];
    crash_model_config(l->model, &cfg);
    cfg.reason = l->reason;
    cfg.reason_cap = sizeof(l->reason);
    l->reason[0] = '\0';
    crash_path(url, "lmdb", ":", dir);
    l->ok = l->unknown = l->failed = l->nospace = l->busy = 0;
    int err = sp_store_open(&l->store, url, &cfg);
    if (err == 0 && sp_store_attach(l->store, &l->port)) {
        sp_store_close(&l->store);
        return SP_EIO;
    }
    return err;
}

void crash_load_close(struct crash_load *l)
{
    drain(l);
    sp_store_close(&l->store);
}

void crash_load_drop(struct crash_load *l)
{
    sp_store_close(&l->store);
}
