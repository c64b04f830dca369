/* The promises. */
#include "crash_model.h"

#include "crash_rng.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define POOL_LEN (1U << 18) /* random bytes of which bodies are stretches */

static uint8_t pool[POOL_LEN];
static uint8_t names[CRASH_BOXES + 1][SP_STORE_ID_MAX];
static struct sp_user users[CRASH_BOXES + 1];

/* ---- verdicts ---- */

void crash_found(struct crash_verdict *v, enum crash_kind kind, const char *format, ...)
{
    if (v->kind != CRASH_FINE)
        return;
    v->kind = kind;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(v->text, sizeof(v->text), format, args);
    va_end(args);
}

/* ---- names, bodies, identities ---- */

/* Ids of 1, 160 and other lengths, with every byte value. */
static void make_names(void)
{
    static const size_t lengths[CRASH_BOXES + 1] = {1, 160, 5, 16, 64, 33, 7};
    for (size_t i = 0; i <= CRASH_BOXES; i++) {
        for (size_t k = 0; k < lengths[i]; k++)
            names[i][k] = (uint8_t)(i * 37 + k * 11);
        users[i] = (struct sp_user){{names[i], lengths[i]}};
    }
}

void crash_model_init(struct crash_model *m, uint64_t seed)
{
    static const uint64_t maps[] = {4U << 20, 4U << 20, 2U << 20, 1U << 20};
    struct crash_rng r = {.v = seed};
    if (pool[0] == 0 && pool[1] == 0) {
        struct crash_rng fill = {.v = 1};
        for (size_t i = 0; i < POOL_LEN; i++)
            pool[i] = (uint8_t)crash_next(&fill);
        make_names();
    }
    memset(m, 0, sizeof(*m));
    m->map_size = maps[crash_below(&r, 4)];
    m->reserve = crash_chance(&r, 25) ? 4096 : 0;
    m->clock_us = CRASH_T0;
    for (unsigned b = 0; b < CRASH_BOXES; b++) {
        for (unsigned d = 0; d < CRASH_DEVICES; d++)
            m->device[b][d].next = CRASH_MSGID + 1;
    }
}

void crash_model_config(const struct crash_model *m, struct sp_store_config *cfg)
{
    *cfg = (struct sp_store_config){.map_size = m->map_size,
                                    .reserve_bytes = m->reserve,
                                    .share_percent = 100,
                                    .dedup_keep_us = CRASH_KEEP_US,
                                    .manual = true,
                                    .epoch = CRASH_EPOCH};
}

const struct sp_user *crash_model_user(unsigned box)
{
    return &users[box];
}

unsigned crash_model_box(struct sp_view id)
{
    for (unsigned i = 0; i <= CRASH_BOXES; i++) {
        if (users[i].id.n == id.n && memcmp(users[i].id.p, id.p, id.n) == 0)
            return i;
    }
    return CRASH_BOXES + 1;
}

struct sp_view crash_model_body(const struct crash_id *id)
{
    return (struct sp_view){pool + id->body_at, id->body_n};
}

/* One msgid in eight is left out and used later, so that late ones below the highest occur. */
static uint64_t draw_msgid(struct crash_device *d)
{
    if (d->hole && d->next % 3 == 0) {
        uint64_t late = d->hole;
        d->hole = 0;
        return late;
    }
    if (d->next % 8 == 0 && !d->hole)
        d->hole = d->next++;
    return d->next++;
}

bool crash_model_new(struct crash_model *m, unsigned sender, unsigned device, size_t *id)
{
    if (m->ids_n == CRASH_IDS)
        return false;
    *id = m->ids_n++;
    m->ids[*id] = (struct crash_id){.sender = (uint8_t)sender,
                                    .device = (uint8_t)device,
                                    .msgid = draw_msgid(&m->device[sender][device - 1]),
                                    .body_at = (uint32_t)(*id * 163U % (POOL_LEN - SP_BODY_MAX))};
    m->device[sender][device - 1].id[m->ids[*id].msgid - CRASH_MSGID] = (uint16_t)(*id + 1);
    return true;
}

size_t crash_model_find(const struct crash_model *m, const struct sp_origin *from)
{
    unsigned sender = crash_model_box(from->user.id);
    uint64_t number = from->msgid.v - CRASH_MSGID;
    if (sender >= CRASH_BOXES || from->device < 1 || from->device > CRASH_DEVICES || number >= CRASH_MSGIDS)
        return CRASH_IDS;
    uint16_t id = m->device[sender][from->device - 1].id[number];
    return id ? id - 1U : CRASH_IDS;
}

/* ---- requests ---- */

static void set_hash(struct sp_store_req *r, uint64_t v)
{
    memcpy(r->hash, &v, sizeof(r->hash));
}

struct sp_store_req crash_model_append(const struct crash_model *m, size_t n)
{
    const struct crash_id *id = &m->ids[n];
    struct sp_store_req r = {.op = SP_STORE_APPEND,
                             .from = {users[id->sender], id->device, {id->msgid}},
                             .to = &users[id->to],
                             .to_n = 1,
                             .body = crash_model_body(id),
                             .at_us = m->clock_us,
                             .expires_us = id->expires_us};
    set_hash(&r, crash_mix(id->body_at, id->body_n));
    return r;
}

static size_t msgids_of(const struct crash_model *m, const struct crash_req *q, struct sp_msgid *msgids)
{
    size_t n = 0;
    for (size_t i = 0; i < m->ids_n && n < SP_STORE_MSGIDS_MAX; i++) {
        const struct crash_id *id = &m->ids[i];
        if (id->sender == q->box && id->device == q->device && id->sent)
            msgids[n++].v = id->msgid;
    }
    return n;
}

static struct sp_store_req append_request(const struct crash_model *m, const struct crash_req *q)
{
    struct sp_store_req r = crash_model_append(m, q->id);
    r.deny = q->deny;
    r.at_us = q->at_us;
    if (q->after)
        r.after.v = m->ids[q->after - 1].msgid;
    if (q->other_hash)
        set_hash(&r, 1);
    return r;
}

struct sp_store_req crash_model_request(const struct crash_model *m, const struct crash_req *q,
                                        struct sp_store_span *span, struct sp_msgid *msgids)
{
    if (q->op == SP_STORE_APPEND)
        return append_request(m, q);
    struct sp_store_req r = {.op = q->op,
                             .to = &users[q->box],
                             .to_n = 1,
                             .from = {users[q->box], q->device, {q->msgid}},
                             .device = q->device,
                             .at_us = q->at_us,
                             .max = q->max,
                             .max_bytes = q->max_bytes,
                             .sub = q->sub,
                             .holder = 1};
    *span = (struct sp_store_span){{q->lo}, {q->hi}, q->why};
    r.seq.v = q->op == SP_STORE_CONFIRM ? q->hi : q->lo;
    r.spans = span;
    r.spans_n = 1;
    if (q->op == SP_STORE_STATUS && q->msgid == 0) {
        r.msgids = msgids;
        r.msgids_n = msgids_of(m, q, msgids);
    }
    return r;
}

/* ---- submitted ---- */

static void submit_append(struct crash_model *m, const struct crash_req *q)
{
    struct crash_id *id = &m->ids[q->id];
    if (q->other_hash)
        return;
    if (!id->sent || q->at_us < id->at_us)
        id->at_us = q->at_us;
    id->sent = true;
    id->open++;
}

static void submit_trim(struct crash_box *b, const struct crash_req *q)
{
    for (uint32_t seq = q->lo; seq <= q->hi && seq <= CRASH_IDS; seq++)
        b->may_end[seq] = 1;
}

void crash_model_submit(struct crash_model *m, const struct crash_req *q)
{
    struct crash_box *b = &m->box[q->box];
    struct crash_device *d = &m->device[q->box][q->device ? q->device - 1 : 0];
    if (m->clock_max < q->at_us)
        m->clock_max = q->at_us;
    switch (q->op) {
    case SP_STORE_APPEND:
        submit_append(m, q);
        break;
    case SP_STORE_CONFIRM:
        b->confirmed_max = b->confirmed_max > q->hi ? b->confirmed_max : q->hi;
        break;
    case SP_STORE_TRIM:
        submit_trim(b, q);
        break;
    case SP_STORE_FINISH:
        d->finished_max = d->finished_max > q->msgid ? d->finished_max : q->msgid;
        break;
    case SP_STORE_LIMIT:
        b->limited = true;
        b->may_drop = b->may_drop || (q->sub & SP_STORE_LIMIT_DROP_OLDEST);
        break;
    default:
        break;
    }
}

/* ---- answered ---- */

static int rank_of(int state)
{
    return state == SP_STATE_ENDED ? 100 : state;
}

bool crash_model_state_holds(int promised, int now)
{
    if (promised == SP_STATE_ENDED || (now == SP_STATE_ENDED && promised >= SP_STATE_DELIVERED))
        return now == promised;
    return rank_of(now) >= rank_of(promised);
}

/* The answer says that the identity has this seq and state. */
static void promise(struct crash_model *m, size_t n, uint32_t seq, int state, struct crash_verdict *v)
{
    if (n >= m->ids_n) {
        crash_found(v, CRASH_CORRUPT, "an answer names a message that nobody sent, as seq %u", seq);
        return;
    }
    struct crash_id *id = &m->ids[n];
    struct crash_box *b = &m->box[id->to];
    if (!id->sent || seq == 0 || seq > CRASH_IDS) {
        crash_found(v, CRASH_CORRUPT, "an answer gives identity %zu the seq %u", n, seq);
        return;
    }
    if (id->stored && id->seq != seq)
        crash_found(v, CRASH_CORRUPT, "identity %zu had seq %u and now has %u", n, id->seq, seq);
    if (b->owner[seq] && b->owner[seq] != n + 1)
        crash_found(v, CRASH_CORRUPT, "seq %u of box %u belongs to identity %d and is given to %zu", seq,
                    id->to, b->owner[seq] - 1, n);
    if (id->stored && !crash_model_state_holds(id->state, state))
        crash_found(v, CRASH_LOST, "identity %zu fell from state %d to %d", n, id->state, state);
    id->stored = true;
    id->seq = seq;
    id->state = (uint8_t)state;
    b->owner[seq] = (uint16_t)(n + 1);
    if (b->head_min < seq)
        b->head_min = seq;
}

static bool is_refusal(int err)
{
    return err == SP_EQUOTA || err == SP_ENOSPACE || err == SP_EAGAIN || err == SP_ESEQ ||
           err == SP_EFORBIDDEN;
}

static void answer_append(struct crash_model *m, const struct crash_req *q, const struct crash_answer *a,
                          struct crash_verdict *v)
{
    struct crash_id *id = &m->ids[q->id];
    if (q->other_hash) {
        if (a->err == 0)
            crash_found(v, CRASH_CORRUPT, "identity %zu was taken with another body", q->id);
        return;
    }
    id->open--;
    if (a->err == 0) {
        if (id->stored && !a->repeat)
            crash_found(v, CRASH_CORRUPT, "identity %zu was stored twice", q->id);
        promise(m, q->id, a->seq, a->state, v);
    } else if (is_refusal(a->err)) {
        if (id->stored)
            crash_found(v, CRASH_LOST, "identity %zu was OK and is refused with %d", q->id, a->err);
        id->maybe = false;
    } else if (a->err == SP_EREUSED) {
        crash_found(v, CRASH_CORRUPT, "identity %zu is SP_EREUSED", q->id);
    } else if (a->err == SP_EUNKNOWN || a->err == SP_EFAILED) {
        id->maybe = true;
    } else if (a->err == SP_EEXPIRED && !(id->stored ? crash_model_may_forget(m, id, m->clock_max)
                                                     : crash_model_may_expire(m, id, m->clock_max))) {
        crash_found(v, CRASH_LOST, "identity %zu is SP_EEXPIRED", q->id);
    }
}

/* Each message is reported as DELIVERED to its sender once ever. */
static void note_told(struct crash_model *m, size_t n, struct crash_verdict *v)
{
    if (n >= m->ids_n)
        return;
    if (m->ids[n].told)
        crash_found(v, CRASH_CORRUPT, "identity %zu was delivered twice", n);
    m->ids[n].told = true;
}

static void answer_lines(struct crash_model *m, const struct crash_req *q, const struct crash_answer *a,
                         struct crash_verdict *v)
{
    for (size_t i = 0; i < a->lines_n; i++) {
        const struct crash_line *l = &a->lines[i];
        if (!l->body_is_right)
            crash_found(v, CRASH_CORRUPT, "seq %u of box %u has a wrong body", l->seq, q->box);
        if (l->state == SP_STATE_UNKNOWN)
            continue;
        promise(m, l->id, l->seq, l->state, v);
        if (q->op == SP_STORE_CONFIRM)
            note_told(m, l->id, v);
    }
}

void crash_model_answer(struct crash_model *m, const struct crash_req *q, const struct crash_answer *a,
                        struct crash_verdict *v)
{
    struct crash_box *b = &m->box[q->op == SP_STORE_APPEND ? m->ids[q->id].to : q->box];
    if (a->err == SP_ECORRUPT || (a->epoch && a->epoch != CRASH_EPOCH))
        crash_found(v, CRASH_CORRUPT, "err %d, epoch %llu", a->err, (unsigned long long)a->epoch);
    if (a->svr_seq && (a->svr_seq < b->head_min || a->confirmed < b->confirmed_min))
        crash_found(v, CRASH_LOST, "head %u, cursor %u: below %u, %u", a->svr_seq, a->confirmed, b->head_min,
                    b->confirmed_min);
    b->head_min = b->head_min > a->svr_seq ? b->head_min : a->svr_seq;
    b->confirmed_min = b->confirmed_min > a->confirmed ? b->confirmed_min : a->confirmed;
    if (q->op == SP_STORE_APPEND)
        answer_append(m, q, a, v);
    if (a->err)
        return;
    answer_lines(m, q, a, v);
    if (q->op == SP_STORE_FINISH) {
        struct crash_device *d = &m->device[q->box][q->device - 1];
        d->finished_min = d->finished_min > q->msgid ? d->finished_min : q->msgid;
    }
    if (q->op == SP_STORE_CLAIM) {
        if (a->fence <= m->fence_min)
            crash_found(v, CRASH_LOST, "fence %llu after %llu", (unsigned long long)a->fence,
                        (unsigned long long)m->fence_min);
        m->fence_min = a->fence;
    }
}

void crash_model_crash(struct crash_model *m)
{
    for (size_t i = 0; i < m->ids_n; i++) {
        struct crash_id *id = &m->ids[i];
        id->maybe = id->maybe || id->open > 0;
        id->open = 0;
    }
}

/* ---- what may be ---- */

bool crash_model_may_forget(const struct crash_model *m, const struct crash_id *id, int64_t now_us)
{
    const struct crash_device *d = &m->device[id->sender][id->device - 1];
    return id->msgid <= d->finished_max || id->at_us < now_us - CRASH_KEEP_US;
}

bool crash_model_may_expire(const struct crash_model *m, const struct crash_id *id, int64_t now_us)
{
    for (size_t i = 0; i < m->ids_n; i++) {
        const struct crash_id *other = &m->ids[i];
        if (other->sent && other->sender == id->sender && other->device == id->device &&
            other->msgid >= id->msgid && crash_model_may_forget(m, other, now_us))
            return true;
    }
    return false;
}

bool crash_model_may_exist(const struct crash_id *id)
{
    return id->stored || id->maybe || id->open > 0;
}
