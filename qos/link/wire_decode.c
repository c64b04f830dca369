/* Bytes -> frames (wire.h): one reader per kind behind a table; ranges are judged by wire_rules.c afterwards.
 */
#include "wire.h"

#include <sampan/err.h>

#include "bytes.h"
#include "kinds.h"
#include "wire_rules.h"

#include <string.h>

#define KINDS_MAX 0x40
#define SKIPPABLE 0x80 /* unknown types from here on carry their length */

static struct sp_msgid read_msgid(struct sp_reader *r)
{
    return (struct sp_msgid){.v = sp_bytes_u64(r)};
}

static struct sp_seq read_seq(struct sp_reader *r)
{
    return (struct sp_seq){.v = sp_bytes_u32(r)};
}

static struct sp_epoch read_epoch(struct sp_reader *r)
{
    return (struct sp_epoch){.v = sp_bytes_u64(r)};
}

/* A count that may not pass the array it counts. */
static uint8_t checked_count(struct sp_reader *r, uint8_t n, uint8_t max)
{
    if (n > max)
        r->is_bad = true;
    return r->is_bad ? 0 : n;
}

static uint8_t read_count(struct sp_reader *r, uint8_t max)
{
    return checked_count(r, sp_bytes_u8(r), max);
}

static uint8_t read_held(struct sp_reader *r, struct sp_range held[SP_HELD_MAX])
{
    uint8_t n = read_count(r, SP_HELD_MAX);
    for (size_t i = 0; i < n; i++) {
        held[i].lo = sp_bytes_u32(r);
        held[i].hi = sp_bytes_u32(r);
    }
    return n;
}

static void read_nothing(struct sp_reader *r, struct sp_frame *f)
{
    (void)r;
    (void)f;
}

static void read_ack(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_ack *a = &f->u.ack;
    uint64_t fixed = sp_bytes_u64(r); /* at once, since every datagram carries one */
    memset(a, 0, sizeof *a);
    a->largest = (uint32_t)(fixed >> 32);
    a->delay = (uint8_t)(fixed >> 24);
    a->loss = (uint8_t)(fixed >> 16);
    a->first = (uint8_t)fixed;
    a->n = checked_count(r, (uint8_t)(fixed >> 8), SP_ACK_GAPS_MAX);
    for (size_t i = 0; i < a->n; i++) {
        a->gaps[i].gap = sp_bytes_u8(r);
        a->gaps[i].len = sp_bytes_u8(r);
    }
}

static void read_path(struct sp_reader *r, struct sp_frame *f)
{
    sp_bytes_copy(r, f->u.path.data, sizeof f->u.path.data);
}

static void read_close(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_close *c = &f->u.close;
    c->code = sp_bytes_u8(r);
    c->cause = sp_bytes_u8(r);
    c->retry = sp_bytes_u16(r);
}

static void read_options(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_options *o = &f->u.options;
    o->rev = sp_bytes_u8(r);
    o->ackdelay_ms = sp_bytes_u8(r);
    o->keepalive_s = sp_bytes_u16(r);
    o->datagram = sp_bytes_u16(r);
    o->inbox = sp_bytes_u16(r);
    o->flags = sp_bytes_u16(r);
}

static void read_ticket(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_ticket *t = &f->u.ticket;
    t->life_s = sp_bytes_u32(r);
    sp_bytes_copy(r, t->psk, sizeof t->psk);
    sp_bytes_copy(r, t->ticket, sizeof t->ticket);
}

/* index and count stand directly behind msgid or seq, so that a reader knows at once whether the fields of a
 * first part follow. */
static bool read_part(struct sp_reader *r, uint8_t flags, uint8_t *index, uint8_t *count)
{
    if ((flags & SP_MSG_FRAG) == 0)
        return true;
    *index = sp_bytes_u8(r);
    *count = sp_bytes_u8(r);
    return *index == 0;
}

static void read_msg_r(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_msg_r *m = &f->u.msg_r;
    memset(m, 0, sizeof *m);
    m->flags = sp_bytes_u8(r);
    m->msgid = read_msgid(r);
    if (read_part(r, m->flags, &m->index, &m->count)) {
        if ((m->flags & SP_MSG_AFTER) != 0)
            m->after = read_msgid(r);
        if ((m->flags & SP_MSG_TTL) != 0)
            m->ttl_s = sp_bytes_u32(r);
        m->to = sp_bytes_take(r, sp_bytes_u8(r));
    }
    m->body = sp_bytes_take(r, sp_bytes_u16(r));
}

static void read_msg_a(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_msg_a *m = &f->u.msg_a;
    m->code = sp_bytes_u8(r);
    m->msgid = read_msgid(r);
    m->seq = read_seq(r);
    m->state = sp_bytes_u8(r);
    m->retry = sp_bytes_u16(r);
}

static void read_msg_n(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_msg_n *m = &f->u.msg_n;
    memset(m, 0, sizeof *m);
    m->flags = sp_bytes_u8(r);
    m->seq = read_seq(r);
    if (read_part(r, m->flags, &m->index, &m->count)) {
        m->msgid = read_msgid(r);
        m->device = sp_bytes_u32(r);
        m->at_ms = sp_bytes_u48(r);
        m->from = sp_bytes_take(r, sp_bytes_u8(r));
        if ((m->flags & SP_MSG_GROUP) != 0)
            m->group = sp_bytes_take(r, sp_bytes_u8(r));
    }
    m->body = sp_bytes_take(r, sp_bytes_u16(r));
}

static void read_ack_r(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_ack_r *a = &f->u.ack_r;
    memset(a, 0, sizeof *a);
    a->kind = sp_bytes_u8(r);
    a->id = sp_bytes_u16(r);
    a->cursor = read_seq(r);
    a->n = read_held(r, a->held);
}

static void read_ack_a(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_ack_a *a = &f->u.ack_a;
    a->id = sp_bytes_u16(r);
    a->code = sp_bytes_u8(r);
    a->confirmed = read_seq(r);
}

static void read_ack_n(struct sp_reader *r, struct sp_frame *f)
{
    f->u.ack_n.msgid = read_msgid(r);
    f->u.ack_n.state = sp_bytes_u8(r);
}

static void read_ack_n_group(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_ack_n_group *g = &f->u.ack_n_group;
    g->msgid = read_msgid(r);
    g->final = sp_bytes_u8(r);
    g->total = sp_bytes_u32(r);
    g->stored = sp_bytes_u32(r);
    g->delivered = sp_bytes_u32(r);
    g->seen = sp_bytes_u32(r);
}

static void read_tip(struct sp_reader *r, struct sp_frame *f)
{
    f->u.tip.svr_seq = read_seq(r);
}

static void read_pull_r(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_pull_r *p = &f->u.pull_r;
    memset(p, 0, sizeof *p);
    p->flags = sp_bytes_u8(r);
    p->id = sp_bytes_u16(r);
    p->cursor = read_seq(r);
    p->epoch = read_epoch(r);
    p->max = sp_bytes_u16(r);
    p->n = read_held(r, p->held);
}

static void read_pull_a(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_pull_a *p = &f->u.pull_a;
    memset(p, 0, sizeof *p);
    p->code = sp_bytes_u8(r);
    p->id = sp_bytes_u16(r);
    p->epoch = read_epoch(r);
    p->to = read_seq(r);
    p->svr_seq = read_seq(r);
    p->confirmed = read_seq(r);
    p->n = read_count(r, SP_SKIPPED_MAX);
    for (size_t i = 0; i < p->n; i++) {
        p->skipped[i].lo = sp_bytes_u32(r);
        p->skipped[i].hi = sp_bytes_u32(r);
        p->skipped[i].why = sp_bytes_u8(r);
    }
}

static void read_resync(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_resync *s = &f->u.resync;
    s->why = sp_bytes_u8(r);
    s->id = sp_bytes_u16(r);
    s->epoch = read_epoch(r);
    s->lo = read_seq(r);
    s->hi = read_seq(r);
}

static void read_status_r(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_status_r *s = &f->u.status_r;
    memset(s, 0, sizeof *s);
    s->id = sp_bytes_u16(r);
    s->n = read_count(r, SP_STATUS_MAX);
    for (size_t i = 0; i < s->n; i++)
        s->msgids[i] = read_msgid(r);
}

static void read_status_a(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_status_a *s = &f->u.status_a;
    memset(s, 0, sizeof *s);
    s->id = sp_bytes_u16(r);
    s->n = read_count(r, SP_STATUS_MAX);
    for (size_t i = 0; i < s->n; i++) {
        s->of[i].state = sp_bytes_u8(r);
        s->of[i].seq = read_seq(r);
    }
}

static void read_done(struct sp_reader *r, struct sp_frame *f)
{
    f->u.done.msgid = read_msgid(r);
}

static void read_ctrl(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_ctrl *c = &f->u.ctrl;
    memset(c, 0, sizeof *c);
    if (f->kind == SP_KIND_CTRL_A)
        c->code = sp_bytes_u8(r);
    else
        c->op = sp_bytes_u8(r);
    c->id = f->kind == SP_KIND_CTRL_N ? sp_bytes_u32(r) : sp_bytes_u64(r);
    c->map = sp_bytes_take(r, sp_bytes_u16(r));
}

static void read_stream(struct sp_reader *r, struct sp_frame *f)
{
    struct sp_frame_stream *s = &f->u.stream;
    memset(s, 0, sizeof *s);
    s->stream = sp_bytes_u32(r);
    switch (f->kind) {
    case SP_KIND_STREAM_OPEN:
        s->service = sp_bytes_u8(r);
        break;
    case SP_KIND_STREAM_RESET:
        s->code = sp_bytes_u8(r);
        break;
    case SP_KIND_STREAM_DATA:
        s->offset = sp_bytes_u64(r);
        s->bytes = sp_bytes_take(r, sp_bytes_u16(r));
        break;
    default: /* WINDOW and CLOSE */
        s->offset = sp_bytes_u64(r);
        break;
    }
}

typedef void read_fn(struct sp_reader *, struct sp_frame *);

static read_fn *const readers[KINDS_MAX] = {
    [SP_KIND_PAD] = read_nothing,
    [SP_KIND_ACK] = read_ack,
    [SP_KIND_PING] = read_nothing,
    [SP_KIND_PATH_CHALLENGE] = read_path,
    [SP_KIND_PATH_RESPONSE] = read_path,
    [SP_KIND_CLOSE] = read_close,
    [SP_KIND_OPTIONS] = read_options,
    [SP_KIND_TICKET] = read_ticket,
    [SP_KIND_MSG_R] = read_msg_r,
    [SP_KIND_MSG_A] = read_msg_a,
    [SP_KIND_MSG_N] = read_msg_n,
    [SP_KIND_ACK_R] = read_ack_r,
    [SP_KIND_ACK_A] = read_ack_a,
    [SP_KIND_ACK_N] = read_ack_n,
    [SP_KIND_ACK_N_GROUP] = read_ack_n_group,
    [SP_KIND_TIP] = read_tip,
    [SP_KIND_PULL_R] = read_pull_r,
    [SP_KIND_PULL_A] = read_pull_a,
    [SP_KIND_RESYNC] = read_resync,
    [SP_KIND_STATUS_R] = read_status_r,
    [SP_KIND_STATUS_A] = read_status_a,
    [SP_KIND_DONE] = read_done,
    [SP_KIND_CTRL_R] = read_ctrl,
    [SP_KIND_CTRL_A] = read_ctrl,
    [SP_KIND_CTRL_N] = read_ctrl,
    [SP_KIND_STREAM_OPEN] = read_stream,
    [SP_KIND_STREAM_DATA] = read_stream,
    [SP_KIND_STREAM_WINDOW] = read_stream,
    [SP_KIND_STREAM_CLOSE] = read_stream,
    [SP_KIND_STREAM_RESET] = read_stream,
};

int sp_wire_decode(struct sp_view in, enum sp_dir dir, struct sp_frame *out, size_t *used)
{
    struct sp_reader r = sp_bytes_reader(in);
    out->kind = sp_bytes_u8(&r);
    if (r.is_bad)
        return SP_EMALFORMED;
    if (out->kind >= SKIPPABLE) {
        (void)sp_bytes_take(&r, sp_bytes_u16(&r));
    } else {
        if ((sp_kinds_get(out->kind)->dirs & (unsigned)dir) == 0)
            return SP_EMALFORMED;
        readers[out->kind](&r, out);
        if (!r.is_bad && !sp_wire_rules_hold(out))
            return SP_EMALFORMED;
    }
    if (r.is_bad)
        return SP_EMALFORMED;
    *used = in.n - r.left;
    return 0;
}

int sp_wire_check(struct sp_view in, enum sp_dir dir, uint8_t *cause)
{
    struct sp_frame f;
    while (in.n > 0) {
        size_t used;
        if (sp_wire_decode(in, dir, &f, &used) != 0) {
            *cause = in.p[0];
            return SP_EMALFORMED;
        }
        in.p += used;
        in.n -= used;
    }
    return 0;
}
