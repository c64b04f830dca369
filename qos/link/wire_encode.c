/* Frames -> bytes (wire.h): one writer per kind behind a table; ranges are judged by wire_rules.c before. */
#include "wire.h"

#include <sampan/err.h>

#include "bytes.h"
#include "wire_rules.h"

#define KINDS_MAX 0x40

static void write_view8(struct sp_writer *w, struct sp_view v)
{
    sp_bytes_put8(w, (uint8_t)v.n);
    sp_bytes_put(w, v);
}

static void write_view16(struct sp_writer *w, struct sp_view v)
{
    sp_bytes_put16(w, (uint16_t)v.n);
    sp_bytes_put(w, v);
}

static void write_held(struct sp_writer *w, const struct sp_range *held, uint8_t n)
{
    sp_bytes_put8(w, n);
    for (size_t i = 0; i < n; i++) {
        sp_bytes_put32(w, held[i].lo);
        sp_bytes_put32(w, held[i].hi);
    }
}

static void write_nothing(struct sp_writer *w, const struct sp_frame *f)
{
    (void)w;
    (void)f;
}

static void write_ack(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_ack *a = &f->u.ack;
    sp_bytes_put32(w, a->largest);
    /* Every datagram carries an ACK, so four bytes go at once. */
    sp_bytes_put32(w, (uint32_t)a->delay << 24 | (uint32_t)a->loss << 16 | (uint32_t)a->n << 8 | a->first);
    for (size_t i = 0; i < a->n; i++) {
        sp_bytes_put8(w, a->gaps[i].gap);
        sp_bytes_put8(w, a->gaps[i].len);
    }
}

static void write_path(struct sp_writer *w, const struct sp_frame *f)
{
    sp_bytes_put(w, sp_bytes_view(f->u.path.data, sizeof f->u.path.data));
}

static void write_close(struct sp_writer *w, const struct sp_frame *f)
{
    sp_bytes_put8(w, f->u.close.code);
    sp_bytes_put8(w, f->u.close.cause);
    sp_bytes_put16(w, f->u.close.retry);
}

static void write_options(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_options *o = &f->u.options;
    sp_bytes_put8(w, o->rev);
    sp_bytes_put8(w, o->ackdelay_ms);
    sp_bytes_put16(w, o->keepalive_s);
    sp_bytes_put16(w, o->datagram);
    sp_bytes_put16(w, o->inbox);
    sp_bytes_put16(w, o->flags);
}

static void write_ticket(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_ticket *t = &f->u.ticket;
    sp_bytes_put32(w, t->life_s);
    sp_bytes_put(w, sp_bytes_view(t->psk, sizeof t->psk));
    sp_bytes_put(w, sp_bytes_view(t->ticket, sizeof t->ticket));
}

/* Writes index and count of a part; true when the fields of a whole message or first part follow. */
static bool write_part(struct sp_writer *w, uint8_t flags, uint8_t index, uint8_t count)
{
    if ((flags & SP_MSG_FRAG) == 0)
        return true;
    sp_bytes_put8(w, index);
    sp_bytes_put8(w, count);
    return index == 0;
}

static void write_msg_r(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_msg_r *m = &f->u.msg_r;
    sp_bytes_put8(w, m->flags);
    sp_bytes_put64(w, m->msgid.v);
    if (write_part(w, m->flags, m->index, m->count)) {
        if ((m->flags & SP_MSG_AFTER) != 0)
            sp_bytes_put64(w, m->after.v);
        if ((m->flags & SP_MSG_TTL) != 0)
            sp_bytes_put32(w, m->ttl_s);
        write_view8(w, m->to);
    }
    write_view16(w, m->body);
}

static void write_msg_a(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_msg_a *m = &f->u.msg_a;
    sp_bytes_put8(w, m->code);
    sp_bytes_put64(w, m->msgid.v);
    sp_bytes_put32(w, m->seq.v);
    sp_bytes_put8(w, m->state);
    sp_bytes_put16(w, m->retry);
}

static void write_msg_n(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_msg_n *m = &f->u.msg_n;
    sp_bytes_put8(w, m->flags);
    sp_bytes_put32(w, m->seq.v);
    if (write_part(w, m->flags, m->index, m->count)) {
        sp_bytes_put64(w, m->msgid.v);
        sp_bytes_put32(w, m->device);
        sp_bytes_put48(w, m->at_ms);
        write_view8(w, m->from);
        if ((m->flags & SP_MSG_GROUP) != 0)
            write_view8(w, m->group);
    }
    write_view16(w, m->body);
}

static void write_ack_r(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_ack_r *a = &f->u.ack_r;
    sp_bytes_put8(w, a->kind);
    sp_bytes_put16(w, a->id);
    sp_bytes_put32(w, a->cursor.v);
    write_held(w, a->held, a->n);
}

static void write_ack_a(struct sp_writer *w, const struct sp_frame *f)
{
    sp_bytes_put16(w, f->u.ack_a.id);
    sp_bytes_put8(w, f->u.ack_a.code);
    sp_bytes_put32(w, f->u.ack_a.confirmed.v);
}

static void write_ack_n(struct sp_writer *w, const struct sp_frame *f)
{
    sp_bytes_put64(w, f->u.ack_n.msgid.v);
    sp_bytes_put8(w, f->u.ack_n.state);
}

static void write_ack_n_group(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_ack_n_group *g = &f->u.ack_n_group;
    sp_bytes_put64(w, g->msgid.v);
    sp_bytes_put8(w, g->final);
    sp_bytes_put32(w, g->total);
    sp_bytes_put32(w, g->stored);
    sp_bytes_put32(w, g->delivered);
    sp_bytes_put32(w, g->seen);
}

static void write_tip(struct sp_writer *w, const struct sp_frame *f)
{
    sp_bytes_put32(w, f->u.tip.svr_seq.v);
}

static void write_pull_r(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_pull_r *p = &f->u.pull_r;
    sp_bytes_put8(w, p->flags);
    sp_bytes_put16(w, p->id);
    sp_bytes_put32(w, p->cursor.v);
    sp_bytes_put64(w, p->epoch.v);
    sp_bytes_put16(w, p->max);
    write_held(w, p->held, p->n);
}

static void write_pull_a(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_pull_a *p = &f->u.pull_a;
    sp_bytes_put8(w, p->code);
    sp_bytes_put16(w, p->id);
    sp_bytes_put64(w, p->epoch.v);
    sp_bytes_put32(w, p->to.v);
    sp_bytes_put32(w, p->svr_seq.v);
    sp_bytes_put32(w, p->confirmed.v);
    sp_bytes_put8(w, p->n);
    for (size_t i = 0; i < p->n; i++) {
        sp_bytes_put32(w, p->skipped[i].lo);
        sp_bytes_put32(w, p->skipped[i].hi);
        sp_bytes_put8(w, p->skipped[i].why);
    }
}

static void write_resync(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_resync *s = &f->u.resync;
    sp_bytes_put8(w, s->why);
    sp_bytes_put16(w, s->id);
    sp_bytes_put64(w, s->epoch.v);
    sp_bytes_put32(w, s->lo.v);
    sp_bytes_put32(w, s->hi.v);
}

static void write_status_r(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_status_r *s = &f->u.status_r;
    sp_bytes_put16(w, s->id);
    sp_bytes_put8(w, s->n);
    for (size_t i = 0; i < s->n; i++)
        sp_bytes_put64(w, s->msgids[i].v);
}

static void write_status_a(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_status_a *s = &f->u.status_a;
    sp_bytes_put16(w, s->id);
    sp_bytes_put8(w, s->n);
    for (size_t i = 0; i < s->n; i++) {
        sp_bytes_put8(w, s->of[i].state);
        sp_bytes_put32(w, s->of[i].seq.v);
    }
}

static void write_done(struct sp_writer *w, const struct sp_frame *f)
{
    sp_bytes_put64(w, f->u.done.msgid.v);
}

static void write_ctrl(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_ctrl *c = &f->u.ctrl;
    sp_bytes_put8(w, f->kind == SP_KIND_CTRL_A ? c->code : c->op);
    sp_bytes_put_uint(w, c->id, f->kind == SP_KIND_CTRL_N ? 4 : 8);
    write_view16(w, c->map);
}

static void write_stream(struct sp_writer *w, const struct sp_frame *f)
{
    const struct sp_frame_stream *s = &f->u.stream;
    sp_bytes_put32(w, s->stream);
    switch (f->kind) {
    case SP_KIND_STREAM_OPEN:
        sp_bytes_put8(w, s->service);
        break;
    case SP_KIND_STREAM_RESET:
        sp_bytes_put8(w, s->code);
        break;
    case SP_KIND_STREAM_DATA:
        sp_bytes_put64(w, s->offset);
        write_view16(w, s->bytes);
        break;
    default: /* WINDOW and CLOSE */
        sp_bytes_put64(w, s->offset);
        break;
    }
}

typedef void write_fn(struct sp_writer *, const struct sp_frame *);

static write_fn *const writers[KINDS_MAX] = {
    [SP_KIND_PAD] = write_nothing,
    [SP_KIND_ACK] = write_ack,
    [SP_KIND_PING] = write_nothing,
    [SP_KIND_PATH_CHALLENGE] = write_path,
    [SP_KIND_PATH_RESPONSE] = write_path,
    [SP_KIND_CLOSE] = write_close,
    [SP_KIND_OPTIONS] = write_options,
    [SP_KIND_TICKET] = write_ticket,
    [SP_KIND_MSG_R] = write_msg_r,
    [SP_KIND_MSG_A] = write_msg_a,
    [SP_KIND_MSG_N] = write_msg_n,
    [SP_KIND_ACK_R] = write_ack_r,
    [SP_KIND_ACK_A] = write_ack_a,
    [SP_KIND_ACK_N] = write_ack_n,
    [SP_KIND_ACK_N_GROUP] = write_ack_n_group,
    [SP_KIND_TIP] = write_tip,
    [SP_KIND_PULL_R] = write_pull_r,
    [SP_KIND_PULL_A] = write_pull_a,
    [SP_KIND_RESYNC] = write_resync,
    [SP_KIND_STATUS_R] = write_status_r,
    [SP_KIND_STATUS_A] = write_status_a,
    [SP_KIND_DONE] = write_done,
    [SP_KIND_CTRL_R] = write_ctrl,
    [SP_KIND_CTRL_A] = write_ctrl,
    [SP_KIND_CTRL_N] = write_ctrl,
    [SP_KIND_STREAM_OPEN] = write_stream,
    [SP_KIND_STREAM_DATA] = write_stream,
    [SP_KIND_STREAM_WINDOW] = write_stream,
    [SP_KIND_STREAM_CLOSE] = write_stream,
    [SP_KIND_STREAM_RESET] = write_stream,
};

int sp_wire_encode(const struct sp_frame *f, uint8_t *dst, size_t cap, size_t *len)
{
    if (f->kind >= KINDS_MAX || writers[f->kind] == NULL || !sp_wire_rules_hold(f))
        return SP_EINVAL;
    struct sp_writer w = sp_bytes_writer(dst, cap);
    sp_bytes_put8(&w, f->kind);
    writers[f->kind](&w, f);
    if (w.is_full)
        return SP_EFULL;
    *len = w.len;
    return 0;
}
