/* One CONFIRM or MARK per session at a time; of what comes meanwhile the newest of each kind counts. */
#include "svc_ack.h"

#include "bug.h"
#include "core.h"
#include "svc_receipt.h"

static bool is_read(const struct sp_frame_ack_r *f)
{
    return (f->kind & ~(unsigned)SP_ACK_R_SILENT) == SP_ACK_R_READ;
}

static void answer(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_ack_r *f, uint8_t code,
                   sp_time now)
{
    if (s->state != SP_SESSION_LIVE)
        return;
    if (code != SP_CODE_OK)
        g->stats.acks_refused++;
    else if ((f->kind & SP_ACK_R_SILENT) != 0)
        return;
    struct sp_frame a;
    a.kind = SP_KIND_ACK_A;
    a.u.ack_a =
        (struct sp_frame_ack_a){.id = f->id, .code = code, .confirmed = {s->device->account->confirmed}};
    (void)sp_session_send(g, s, &a, 0, now);
}

/* The peer's app has these: their frames need not go again. */
static void stop_resending(struct sp_session *s, uint32_t lo, uint32_t hi)
{
    uint32_t seq = sp_carry_first(&s->carry, lo, hi);
    while (seq != 0) { /* at most SP_CARRY_WINDOW */
        sp_link_cancel(&s->link, SP_SESSION_REF_MSG_N | seq);
        sp_carry_remove(&s->carry, seq);
        seq = seq < hi ? sp_carry_first(&s->carry, seq + 1, hi) : 0;
    }
}

static void start(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_ack_r *f, sp_time now);

/* What waited behind the answered one. */
static void start_next(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    struct sp_acks *a = &s->acks;
    if (a->has_delivered && !a->ask.is_out) {
        a->has_delivered = false;
        start(g, s, &a->delivered, now);
    }
    if (a->has_read && !a->ask.is_out) {
        a->has_read = false;
        start(g, s, &a->read, now);
    }
}

static void answered(struct sp_gateway *g, struct sp_ask *ask, const struct sp_store_done *done, sp_time now)
{
    struct sp_session *s = SP_LIST_ITEM(ask, struct sp_session, acks.ask);
    sp_witness_confirmed(g, &ask->req, done);
    sp_session_touch(g, s); /* a closing one may be gone now */
    if (s->state == SP_SESSION_LIVE)
        sp_peers_note_numbers(s->device->account, done);
    sp_svc_receipt_entries(g, done->entries, done->entries_n, now);
    if (done->err == 0 && done->more) {
        sp_batch_add(&g->batch, ask); /* its entries were full: the rest of the way */
        return;
    }
    if (done->err == 0) {
        g->stats.acks++;
        answer(g, s, &s->acks.now, SP_CODE_OK, now);
    } else if (done->err == SP_EHIGH) {
        answer(g, s, &s->acks.now, SP_CODE_ACK_TOO_HIGH, now);
    } else {
        g->stats.store_unknown++;
        answer(g, s, &s->acks.now, SP_CODE_BUSY, now); /* said even to one that wants no answer: again */
    }
    if (s->state == SP_SESSION_LIVE)
        start_next(g, s, now);
}

static void confirm(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    struct sp_acks *a = &s->acks;
    a->ask.to.id = sp_session_user(s);
    a->ask.answer = answered;
    a->ask.req = (struct sp_store_req){.op = SP_STORE_CONFIRM,
                                       .to = &a->ask.to,
                                       .to_n = 1,
                                       .device = s->device->number,
                                       .seq = a->now.cursor,
                                       .at_us = sp_gateway_unix_us(g, now)};
    sp_batch_add(&g->batch, &a->ask);
}

/* Ruling 37: all up to the cursor are read, and the single ranges. */
static void mark(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    struct sp_acks *a = &s->acks;
    size_t n = 0;
    if (a->now.cursor.v > 0)
        a->spans[n++] = (struct sp_store_span){.lo = {1}, .hi = a->now.cursor};
    for (size_t i = 0; i < a->now.n; i++)
        a->spans[n++] = (struct sp_store_span){.lo = {a->now.held[i].lo}, .hi = {a->now.held[i].hi}};
    if (n == 0) {
        answer(g, s, &a->now, SP_CODE_OK, now);
        return;
    }
    a->ask.to.id = sp_session_user(s);
    a->ask.answer = answered;
    a->ask.req = (struct sp_store_req){.op = SP_STORE_MARK,
                                       .to = &a->ask.to,
                                       .to_n = 1,
                                       .spans = a->spans,
                                       .spans_n = n,
                                       .at_us = sp_gateway_unix_us(g, now)};
    sp_batch_add(&g->batch, &a->ask);
}

static uint32_t highest(const struct sp_frame_ack_r *f)
{
    return f->n > 0 ? f->held[f->n - 1].hi : f->cursor.v; /* ranges rise and lie above the cursor */
}

static void start(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_ack_r *f, sp_time now)
{
    struct sp_acks *a = &s->acks;
    uint32_t confirmed = s->device->account->confirmed;
    SP_ASSERT(!a->ask.is_out);
    a->now = *f;
    if (is_read(f)) {
        if (highest(f) > confirmed)
            answer(g, s, f, SP_CODE_ACK_TOO_HIGH, now);
        else
            mark(g, s, now);
    } else if (f->cursor.v <= confirmed) {
        answer(g, s, f, SP_CODE_OK, now); /* durable already */
    } else {
        confirm(g, s, now);
    }
}

void sp_svc_ack_receive(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_ack_r *f,
                        sp_time now)
{
    struct sp_acks *a = &s->acks;
    if (!s->is_bound) {
        answer(g, s, f, SP_CODE_NOT_BOUND, now);
        return;
    }
    if (!is_read(f)) {
        if (f->cursor.v > s->high) {
            answer(g, s, f, SP_CODE_ACK_TOO_HIGH, now);
            return;
        }
        stop_resending(s, 1, f->cursor.v);
        for (size_t i = 0; i < f->n; i++)
            stop_resending(s, f->held[i].lo, f->held[i].hi);
    }
    if (!a->ask.is_out) {
        start(g, s, f, now);
    } else if (is_read(f)) {
        a->read = *f;
        a->has_read = true;
    } else if (!a->has_delivered || f->cursor.v >= a->delivered.cursor.v) {
        a->delivered = *f;
        a->has_delivered = true;
    }
}
