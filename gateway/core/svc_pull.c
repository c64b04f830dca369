/* A pull as phases, each ended by one answer of the store: HEAD (to judge), CONFIRM, RANGE (to answer), MORE
 * (the messages that found no room at first); TRIM in between when expired messages are met. */
#include "svc_pull.h"

#include "bug.h"
#include "core.h"
#include "svc_receipt.h"

#include <string.h>

#define CLASS_NORMAL (1U << SP_MSG_CLASS_SHIFT) /* of pulled messages: behind what happens now */

static void answered(struct sp_gateway *g, struct sp_ask *ask, const struct sp_store_done *done, sp_time now);

/* Asks the store about this session's mailbox. */
static void ask(struct sp_gateway *g, struct sp_session *s, enum sp_pull_phase phase, struct sp_store_req req,
                sp_time now)
{
    struct sp_pull *p = &s->pull;
    p->phase = phase;
    p->ask.to.id = sp_session_user(s);
    p->ask.answer = answered;
    req.to = &p->ask.to;
    req.to_n = 1;
    req.device = s->device->number;
    req.at_us = sp_gateway_unix_us(g, now);
    p->ask.req = req;
    sp_batch_add(&g->batch, &p->ask);
}

static void ask_range(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    const struct sp_pull *p = &s->pull;
    unsigned max = p->now.max >= 1 && p->now.max <= SP_CONF_PULL_MAX ? p->now.max : SP_CONF_PULL_MAX;
    ask(g, s, SP_PULL_RANGE,
        (struct sp_store_req){
            .op = SP_STORE_RANGE, .seq = p->now.cursor, .max = max, .max_bytes = SP_CONF_PULL_BYTES},
        now);
}

/* Confirms what the pull confirms, unless that is durable already, then reads. */
static void go_on(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    const struct sp_frame_pull_r *f = &s->pull.now;
    if ((f->flags & SP_PULL_CONFIRMS) != 0 && f->cursor.v > s->device->account->confirmed)
        ask(g, s, SP_PULL_CONFIRM, (struct sp_store_req){.op = SP_STORE_CONFIRM, .seq = f->cursor}, now);
    else
        ask_range(g, s, now);
}

static void start(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_pull_r *f, sp_time now)
{
    s->pull.now = *f;
    s->pull.is_reading = false;
    bool is_clear = s->is_bound && f->epoch.v == s->epoch.v && f->cursor.v <= s->high;
    if (is_clear)
        go_on(g, s, now);
    else
        ask(g, s, SP_PULL_HEAD, (struct sp_store_req){.op = SP_STORE_HEAD}, now);
}

static bool was_answered(const struct sp_pull *p, uint16_t id)
{
    for (size_t i = 0; i < SP_CONF_PULL_IDS; i++) {
        if (p->answered[i] == id)
            return true;
    }
    return false;
}

void sp_svc_pull_receive(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_pull_r *f,
                         sp_time now)
{
    struct sp_pull *p = &s->pull;
    if (was_answered(p, f->id))
        return; /* a late copy: our answer is under way */
    if (!p->ask.is_out) {
        start(g, s, f, now);
    } else if (p->now.id != f->id) {
        p->next = *f;
        p->has_next = true;
    }
}

static void note_answered(struct sp_pull *p)
{
    p->answered[p->answered_at] = p->now.id;
    p->answered_at = (p->answered_at + 1) % SP_CONF_PULL_IDS;
}

/* The other epoch, or a cursor above the head: the client adopts what we say and pulls anew. */
static void resync(struct sp_gateway *g, struct sp_session *s, uint8_t why, const struct sp_store_done *done,
                   sp_time now)
{
    s->is_bound = false;
    s->pull.is_reading = false;
    g->stats.pulls_refused++;
    struct sp_frame f = {.kind = SP_KIND_RESYNC,
                         .u.resync = {.why = why,
                                      .id = s->pull.now.id,
                                      .epoch = done->epoch,
                                      .lo = done->confirmed,
                                      .hi = done->svr_seq}};
    if (sp_session_send(g, s, &f, 0, now))
        note_answered(&s->pull);
}

static void refuse(struct sp_gateway *g, struct sp_session *s, uint8_t code, const struct sp_store_done *done,
                   sp_time now)
{
    g->stats.pulls_refused++;
    struct sp_frame f = {.kind = SP_KIND_PULL_A};
    f.u.pull_a.code = code;
    f.u.pull_a.id = s->pull.now.id;
    f.u.pull_a.epoch = done->epoch;
    f.u.pull_a.to = done->confirmed;
    f.u.pull_a.svr_seq = done->svr_seq;
    f.u.pull_a.confirmed = done->confirmed;
    if (sp_session_send(g, s, &f, 0, now))
        note_answered(&s->pull);
}

/* Ruling 6: epoch, then head, then what this session may state. */
static void judge(struct sp_gateway *g, struct sp_session *s, const struct sp_store_done *done, sp_time now)
{
    const struct sp_frame_pull_r *f = &s->pull.now;
    if ((s->rights & SP_RIGHT_RECEIVE) == 0) {
        refuse(g, s, SP_CODE_FORBIDDEN, done, now);
    } else if (f->epoch.v != done->epoch.v) {
        resync(g, s, SP_RESYNC_EPOCH, done, now);
    } else if (f->cursor.v > done->svr_seq.v) {
        resync(g, s, SP_RESYNC_CURSOR, done, now);
    } else if (s->is_bound && s->epoch.v == f->epoch.v && f->cursor.v > s->high) {
        refuse(g, s, SP_CODE_ACK_TOO_HIGH, done, now);
    } else {
        s->is_bound = true; /* the device's own statement about earlier sessions */
        s->epoch = done->epoch;
        s->sent = s->high = f->cursor.v;
        go_on(g, s, now);
    }
}

static bool is_held(const struct sp_frame_pull_r *f, uint32_t seq)
{
    for (size_t i = 0; i < f->n; i++) {
        if (seq >= f->held[i].lo && seq <= f->held[i].hi)
            return true;
    }
    return false;
}

/* The client has it, or the link still carries it. */
static bool need_not_go(const struct sp_session *s, uint32_t seq)
{
    return is_held(&s->pull.now, seq) || sp_carry_has(&s->carry, seq);
}

/* All below `at` was sent or skipped. */
static void advance(struct sp_session *s, uint64_t at)
{
    struct sp_pull *p = &s->pull;
    p->at = at;
    if (s->high < at - 1)
        s->high = (uint32_t)(at - 1);
    if (p->at > p->goal) {
        p->is_reading = false;
        if (s->sent < p->goal)
            s->sent = p->goal;
    }
}

static bool send_entry(struct sp_gateway *g, struct sp_session *s, const struct sp_store_entry *e,
                       sp_time now)
{
    if (sp_session_room(s) == 0)
        return false;
    struct sp_frame f = {.kind = SP_KIND_MSG_N};
    f.u.msg_n = (struct sp_frame_msg_n){.flags = CLASS_NORMAL,
                                        .seq = e->seq,
                                        .msgid = e->from.msgid,
                                        .device = e->from.device,
                                        .at_ms = (uint64_t)e->at_us / 1000,
                                        .from = e->from.user.id,
                                        .body = e->body};
    bool is_near = sp_carry_add(&s->carry, e->seq.v) == 0; /* to what the link still carries */
    if (is_near && sp_session_send(g, s, &f, SP_SESSION_REF_MSG_N | e->seq.v, now)) {
        g->stats.notices_sent++;
        return true;
    }
    if (is_near)
        sp_carry_remove(&s->carry, e->seq.v);
    s->pull.stalled_until = now + SP_CONF_PULL_STALL;
    return false;
}

/* Sends what the link has room for; the rest is read again later. */
static void feed(struct sp_gateway *g, struct sp_session *s, const struct sp_store_done *done, sp_time now)
{
    struct sp_pull *p = &s->pull;
    for (size_t i = 0; i < done->entries_n && p->is_reading; i++) {
        const struct sp_store_entry *e = &done->entries[i];
        if (e->seq.v < p->at)
            continue;
        if (e->seq.v > p->goal)
            break;
        if (!need_not_go(s, e->seq.v) && !send_entry(g, s, e, now)) {
            advance(s, e->seq.v);
            return;
        }
        advance(s, (uint64_t)e->seq.v + 1);
    }
    if (p->is_reading)
        advance(s, (uint64_t)(done->to.v < p->goal ? done->to.v : p->goal) + 1);
}

/* Expired messages end before anything is told about them (store.md: expired is a fact only after TRIM).
 * True: a TRIM is on its way, and the same read follows it. */
static bool trim(struct sp_gateway *g, struct sp_session *s, const struct sp_store_done *done, sp_time now)
{
    struct sp_pull *p = &s->pull;
    int64_t wall = sp_gateway_unix_us(g, now);
    size_t n = 0;
    for (size_t i = 0; i < done->entries_n; i++) {
        const struct sp_store_entry *e = &done->entries[i];
        if (e->expires_us == 0 || e->expires_us > wall)
            continue;
        if (n > 0 && p->spans[n - 1].hi.v + 1 == e->seq.v) {
            p->spans[n - 1].hi = e->seq;
        } else if (n < SP_CONF_SPANS) {
            p->spans[n++] = (struct sp_store_span){.lo = e->seq, .hi = e->seq, .why = SP_STORE_WHY_EXPIRED};
        }
    }
    if (n == 0)
        return false;
    p->after_trim = p->phase;
    ask(g, s, SP_PULL_TRIM, (struct sp_store_req){.op = SP_STORE_TRIM, .spans = p->spans, .spans_n = n}, now);
    return true;
}

static void answer(struct sp_gateway *g, struct sp_session *s, const struct sp_store_done *done, sp_time now)
{
    struct sp_pull *p = &s->pull;
    const struct sp_account *a = s->device->account;
    struct sp_frame f = {.kind = SP_KIND_PULL_A};
    struct sp_frame_pull_a *pa = &f.u.pull_a;
    SP_ASSERT(done->skips_n <= SP_SKIPPED_MAX);
    pa->id = p->now.id;
    pa->epoch = done->epoch;
    pa->to = done->to;
    pa->svr_seq.v = a->svr_seq; /* may be newer than this read */
    pa->confirmed = done->confirmed;
    pa->n = (uint8_t)done->skips_n;
    for (size_t i = 0; i < done->skips_n; i++)
        pa->skipped[i] = (struct sp_skip){
            .lo = done->skips[i].lo.v, .hi = done->skips[i].hi.v, .why = (uint8_t)done->skips[i].why};
    if (!sp_session_send(g, s, &f, 0, now))
        return; /* no answer: the client pulls again */
    note_answered(p);
    g->stats.pulls++;
    s->is_tipped = false;
    p->is_reading = true;
    p->goal = done->to.v;
    advance(s, (uint64_t)p->now.cursor.v + 1);
    feed(g, s, done, now);
}

static void ranged(struct sp_gateway *g, struct sp_session *s, const struct sp_store_done *done, sp_time now)
{
    if (done->epoch.v != s->epoch.v)
        resync(g, s, SP_RESYNC_EPOCH, done, now);
    else if (done->err == SP_EHIGH)
        resync(g, s, SP_RESYNC_CURSOR, done, now);
    else if (!trim(g, s, done, now))
        answer(g, s, done, now);
}

/* The part of the mailbox that is still to be sent. */
static void ask_more(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    const struct sp_pull *p = &s->pull;
    size_t room = sp_session_room(s), left = (size_t)p->goal - p->at + 1;
    unsigned max = (unsigned)(room < left ? room : left);
    ask(g, s, SP_PULL_MORE,
        (struct sp_store_req){.op = SP_STORE_RANGE,
                              .seq = {(uint32_t)(p->at - 1)},
                              .max = max > 0 ? max : 1,
                              .max_bytes = SP_CONF_PULL_BYTES},
        now);
}

static void trimmed(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    struct sp_pull *p = &s->pull;
    if (p->after_trim == SP_PULL_RANGE)
        ask_range(g, s, now);
    else if (p->is_reading)
        ask_more(g, s, now);
}

/* What each phase does with its answer, for a live session. */
static void proceed(struct sp_gateway *g, struct sp_session *s, const struct sp_store_done *done, sp_time now)
{
    switch (s->pull.phase) {
    case SP_PULL_HEAD:
        judge(g, s, done, now);
        break;
    case SP_PULL_CONFIRM:
        if (done->err == SP_EHIGH) {
            resync(g, s, SP_RESYNC_CURSOR, done, now);
        } else if (done->more) {
            go_on(g, s, now);
        } else {
            g->stats.acks++;
            ask_range(g, s, now);
        }
        break;
    case SP_PULL_RANGE:
        ranged(g, s, done, now);
        break;
    case SP_PULL_TRIM:
        trimmed(g, s, now);
        break;
    case SP_PULL_MORE:
        if (done->epoch.v == s->epoch.v && !trim(g, s, done, now))
            feed(g, s, done, now);
        break;
    case SP_PULL_IDLE:
        SP_ASSERT(false);
        break;
    }
}

static void answered(struct sp_gateway *g, struct sp_ask *a, const struct sp_store_done *done, sp_time now)
{
    struct sp_session *s = SP_LIST_ITEM(a, struct sp_session, pull.ask);
    struct sp_pull *p = &s->pull;
    sp_witness_confirmed(g, &a->req, done);
    sp_svc_receipt_entries(g, done->entries, a->req.op == SP_STORE_RANGE ? 0 : done->entries_n, now);
    sp_session_touch(g, s); /* what waits for room, or a closing one that may be gone */
    if (s->state != SP_SESSION_LIVE)
        return;
    sp_peers_note_numbers(s->device->account, done);
    if (done->err == 0 || done->err == SP_EHIGH)
        proceed(g, s, done, now);
    else
        g->stats.store_unknown++; /* no answer: the client pulls again */
    if (p->ask.is_out)
        return;
    p->phase = SP_PULL_IDLE;
    if (p->has_next) {
        p->has_next = false;
        start(g, s, &p->next, now);
    }
}

void sp_svc_pull_pump(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    struct sp_pull *p = &s->pull;
    if (!p->is_reading || p->ask.is_out || !s->is_bound || now < p->stalled_until)
        return;
    while (p->is_reading && need_not_go(s, (uint32_t)p->at))
        advance(s, p->at + 1);
    if (!p->is_reading)
        return;
    size_t room = sp_session_room(s), left = (size_t)p->goal - p->at + 1;
    if (room >= left || room >= SP_CONF_PULL_CHUNK)
        ask_more(g, s, now);
}

sp_time sp_svc_pull_deadline(const struct sp_session *s, sp_time now)
{
    const struct sp_pull *p = &s->pull;
    return p->is_reading && !p->ask.is_out && now < p->stalled_until ? p->stalled_until : SP_NEVER;
}
