/* One filler per kind behind a table per direction. */
#include "framegen.h"

#include "kinds.h"

#include <string.h>

#define RAW    0xe0 /* from here on a frame is raw bytes ... */
#define DAMAGE 0xf0 /* ... and from here on a good one with one byte changed */

static struct sp_msgid pick_msgid(struct script *s, const struct framegen *g)
{
    uint8_t b = script_u8(s);
    return (struct sp_msgid){b < 0xf0 ? g->msgid_base + (b & 63) : script_u64(s)};
}

static uint32_t pick_seq(struct script *s, const struct framegen *g)
{
    uint8_t b = script_u8(s);
    if (b < 0xe0)
        return g->seq_base + (b & 63);
    return b < 0xf0 ? script_u16(s) : script_u32(s);
}

static uint64_t pick_epoch(struct script *s, const struct framegen *g)
{
    uint8_t b = script_u8(s);
    return b < 0xf0 ? g->epoch : script_u64(s);
}

static uint16_t pick_id(struct script *s, uint16_t asked)
{
    uint8_t b = script_u8(s);
    if (b < 0x80)
        return asked;
    return b < 0xf0 ? (uint16_t)(b & 15) : script_u16(s);
}

static struct sp_view pick_user(struct script *s, const struct framegen *g)
{
    uint8_t b = script_u8(s);
    if (b >= 0xf0)
        return script_view(s, script_u8(s));
    const char *name = g->users[b % g->users_n];
    return (struct sp_view){(const uint8_t *)name, strlen(name)};
}

static struct sp_view pick_body(struct script *s)
{
    static const uint8_t zeros[SP_PART_MAX + 1];
    uint8_t b = script_u8(s);
    if (b < 0xc0)
        return script_view(s, b & 15);
    size_t n = b < 0xf0 ? SP_PART_MAX : script_u16(s);
    return (struct sp_view){zeros, n < sizeof zeros ? n : sizeof zeros};
}

static uint8_t pick_held(struct script *s, uint32_t at, struct sp_range held[SP_HELD_MAX])
{
    uint8_t n = (uint8_t)script_pick(s, SP_HELD_MAX + 1);
    for (size_t i = 0; i < n; i++) {
        held[i].lo = at + 1 + script_u8(s);
        held[i].hi = at = held[i].lo + script_u8(s);
    }
    return n;
}

/* ---- link ---- */

static void fill_nothing(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    (void)s;
    (void)g;
    (void)f;
}

static void fill_ack(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    struct sp_frame_ack *a = &f->u.ack;
    uint8_t b = script_u8(s);
    a->largest = b < 0xf0 ? g->acked_near - (b & 31) : script_u32(s);
    a->delay = script_u8(s);
    a->loss = script_u8(s);
    a->first = (uint8_t)(script_u8(s) & 31);
    a->n = (uint8_t)script_pick(s, SP_ACK_GAPS_MAX + 1);
    for (size_t i = 0; i < a->n; i++) {
        a->gaps[i].gap = (uint8_t)(1 + (script_u8(s) & 15));
        a->gaps[i].len = (uint8_t)(1 + (script_u8(s) & 15));
    }
}

static void fill_path(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    (void)g;
    memset(f->u.path.data, script_u8(s), sizeof f->u.path.data);
}

static void fill_close(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    (void)g;
    f->u.close.code = (uint8_t)(script_u8(s) & 15);
    f->u.close.cause = script_u8(s);
    f->u.close.retry = script_u16(s);
}

static void fill_options(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    (void)g;
    f->u.options = (struct sp_frame_options){.rev = script_u8(s),
                                             .ackdelay_ms = script_u8(s),
                                             .keepalive_s = script_u16(s),
                                             .datagram = SP_DATAGRAM_MAX,
                                             .inbox = script_u16(s),
                                             .flags = script_u8(s)};
}

static void fill_ticket(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    (void)g;
    f->u.ticket.life_s = script_u32(s);
    memset(f->u.ticket.psk, script_u8(s) & 3, sizeof f->u.ticket.psk);
    memset(f->u.ticket.ticket, script_u8(s), sizeof f->u.ticket.ticket);
}

/* ---- up ---- */

static void fill_msg_r(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    struct sp_frame_msg_r *m = &f->u.msg_r;
    m->flags = script_u8(s);
    m->msgid = pick_msgid(s, g);
    m->to = pick_user(s, g);
    if ((m->flags & SP_MSG_AFTER) != 0)
        m->after = pick_msgid(s, g);
    if ((m->flags & SP_MSG_TTL) != 0)
        m->ttl_s = script_u8(s);
    if ((m->flags & SP_MSG_FRAG) != 0) {
        m->index = (uint8_t)(script_u8(s) & 3);
        m->count = (uint8_t)(script_u8(s) & 7);
    }
    m->body = pick_body(s);
}

static void fill_ack_r(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    struct sp_frame_ack_r *a = &f->u.ack_r;
    uint8_t b = script_u8(s);
    a->kind = (uint8_t)(1 + (b & 1)) | (b & SP_ACK_R_SILENT);
    a->id = pick_id(s, g->ack_id);
    a->cursor.v = pick_seq(s, g);
    if ((b & 2) != 0)
        a->n = pick_held(s, a->cursor.v, a->held);
}

static void fill_pull_r(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    struct sp_frame_pull_r *p = &f->u.pull_r;
    uint8_t b = script_u8(s);
    p->flags = b & SP_PULL_CONFIRMS;
    p->id = pick_id(s, g->pull_id);
    p->cursor.v = pick_seq(s, g);
    p->epoch.v = pick_epoch(s, g);
    p->max = (b & 2) != 0 ? script_u16(s) : 500;
    if ((b & 4) != 0)
        p->n = pick_held(s, p->cursor.v, p->held);
}

static void fill_status_r(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    struct sp_frame_status_r *r = &f->u.status_r;
    r->id = pick_id(s, g->status_id);
    r->n = (uint8_t)(1 + script_pick(s, SP_STATUS_MAX));
    for (size_t i = 0; i < r->n; i++)
        r->msgids[i] = pick_msgid(s, g);
}

static void fill_done(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    f->u.done.msgid = pick_msgid(s, g);
}

/* ---- down ---- */

static void fill_msg_a(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    struct sp_frame_msg_a *m = &f->u.msg_a;
    m->code = (uint8_t)(script_u8(s) & 15);
    m->msgid = pick_msgid(s, g);
    m->retry = script_u8(s);
    if (m->code != SP_CODE_OK)
        return;
    m->seq.v = pick_seq(s, g);
    m->state = (uint8_t)(script_u8(s) & 15);
}

static void fill_msg_n(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    struct sp_frame_msg_n *m = &f->u.msg_n;
    m->flags = script_u8(s);
    m->seq.v = pick_seq(s, g);
    m->msgid = pick_msgid(s, g);
    m->device = script_u8(s);
    m->at_ms = script_u32(s);
    m->from = pick_user(s, g);
    if ((m->flags & SP_MSG_GROUP) != 0)
        m->group = pick_user(s, g);
    if ((m->flags & SP_MSG_FRAG) != 0) {
        m->index = (uint8_t)(script_u8(s) & 3);
        m->count = (uint8_t)(script_u8(s) & 7);
    }
    m->body = pick_body(s);
}

static void fill_ack_a(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    f->u.ack_a.id = pick_id(s, g->ack_id);
    f->u.ack_a.code = (uint8_t)(script_u8(s) & 15);
    f->u.ack_a.confirmed.v = pick_seq(s, g);
}

static void fill_ack_n(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    f->u.ack_n.msgid = pick_msgid(s, g);
    f->u.ack_n.state = (uint8_t)(script_u8(s) & 15);
}

static void fill_ack_n_group(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    struct sp_frame_ack_n_group *a = &f->u.ack_n_group;
    a->msgid = pick_msgid(s, g);
    a->final = (uint8_t)(script_u8(s) & 1);
    a->seen = script_u8(s);
    a->delivered = a->seen + script_u8(s);
    a->stored = a->delivered + script_u8(s);
    a->total = a->stored + script_u8(s);
}

static void fill_tip(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    (void)g;
    f->u.tip.svr_seq.v = pick_seq(s, g);
}

static void fill_pull_a(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    struct sp_frame_pull_a *p = &f->u.pull_a;
    uint8_t b = script_u8(s);
    p->code = (b & 0xf0) == 0xf0 ? b & 15 : 0;
    p->id = pick_id(s, g->pull_id);
    p->epoch.v = pick_epoch(s, g);
    p->to.v = pick_seq(s, g);
    p->svr_seq.v = p->to.v + script_u8(s);
    p->confirmed.v = pick_seq(s, g);
    p->n = (uint8_t)(b & 3);
    uint32_t at = 0;
    for (size_t i = 0; i < p->n; i++) {
        p->skipped[i].lo = at + 1 + (script_u8(s) & 15);
        p->skipped[i].hi = at = p->skipped[i].lo + (script_u8(s) & 63);
        p->skipped[i].why = (uint8_t)(1 + (script_u8(s) & 7));
    }
}

static void fill_resync(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    struct sp_frame_resync *r = &f->u.resync;
    r->why = (uint8_t)(1 + (script_u8(s) & 3));
    r->id = pick_id(s, g->pull_id);
    r->epoch.v = g->epoch + (script_u8(s) & 3);
    r->lo.v = pick_seq(s, g);
    r->hi.v = r->lo.v + script_u8(s);
}

static void fill_status_a(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    struct sp_frame_status_a *a = &f->u.status_a;
    uint8_t b = script_u8(s);
    a->id = pick_id(s, g->status_id);
    a->n = b < 0xc0 ? g->status_n : (uint8_t)(b & 31);
    for (size_t i = 0; i < a->n && i < SP_STATUS_MAX; i++) {
        a->of[i].state = (uint8_t)(script_u8(s) & 15);
        a->of[i].seq.v = (uint32_t)i + 1;
    }
}

/* ---- both ---- */

static void fill_ctrl(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    (void)g;
    f->u.ctrl.op = f->u.ctrl.code = (uint8_t)(script_u8(s) & 15);
    f->u.ctrl.id = script_u8(s);
    f->u.ctrl.map = pick_body(s);
}

static void fill_stream(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    (void)g;
    f->u.stream.stream = script_u8(s);
    f->u.stream.service = f->u.stream.code = (uint8_t)(script_u8(s) & 3);
    f->u.stream.offset = script_u16(s);
    f->u.stream.bytes = pick_body(s);
}

typedef void fill_fn(struct script *, const struct framegen *, struct sp_frame *);

struct row {
    uint8_t kind;
    fill_fn *fill;
};

/* Kinds that lead further stand more than once. */
static const struct row rows_up[] = {
    {SP_KIND_MSG_R, fill_msg_r},
    {SP_KIND_PULL_R, fill_pull_r},
    {SP_KIND_ACK_R, fill_ack_r},
    {SP_KIND_STATUS_R, fill_status_r},
    {SP_KIND_ACK, fill_ack},
    {SP_KIND_MSG_R, fill_msg_r},
    {SP_KIND_PULL_R, fill_pull_r},
    {SP_KIND_DONE, fill_done},
    {SP_KIND_OPTIONS, fill_options},
    {SP_KIND_PING, fill_nothing},
    {SP_KIND_PATH_CHALLENGE, fill_path},
    {SP_KIND_PATH_RESPONSE, fill_path},
    {SP_KIND_CTRL_R, fill_ctrl},
    {SP_KIND_STREAM_OPEN, fill_stream},
    {SP_KIND_STREAM_DATA, fill_stream},
    {SP_KIND_STREAM_RESET, fill_stream},
    {SP_KIND_PAD, fill_nothing},
    {SP_KIND_CLOSE, fill_close},
    {SP_KIND_STREAM_WINDOW, fill_stream},
    {SP_KIND_STREAM_CLOSE, fill_stream},
};
static const struct row rows_down[] = {
    {SP_KIND_MSG_A, fill_msg_a},
    {SP_KIND_MSG_N, fill_msg_n},
    {SP_KIND_PULL_A, fill_pull_a},
    {SP_KIND_ACK_A, fill_ack_a},
    {SP_KIND_ACK_N, fill_ack_n},
    {SP_KIND_RESYNC, fill_resync},
    {SP_KIND_STATUS_A, fill_status_a},
    {SP_KIND_ACK, fill_ack},
    {SP_KIND_MSG_N, fill_msg_n},
    {SP_KIND_TIP, fill_tip},
    {SP_KIND_TICKET, fill_ticket},
    {SP_KIND_OPTIONS, fill_options},
    {SP_KIND_PING, fill_nothing},
    {SP_KIND_PATH_CHALLENGE, fill_path},
    {SP_KIND_PATH_RESPONSE, fill_path},
    {SP_KIND_CLOSE, fill_close},
    {SP_KIND_ACK_N_GROUP, fill_ack_n_group},
    {SP_KIND_CTRL_A, fill_ctrl},
    {SP_KIND_CTRL_N, fill_ctrl},
    {SP_KIND_STREAM_DATA, fill_stream},
    {SP_KIND_STREAM_RESET, fill_stream},
    {SP_KIND_STREAM_WINDOW, fill_stream},
    {SP_KIND_STREAM_CLOSE, fill_stream},
    {SP_KIND_PAD, fill_nothing},
};

void framegen_frame(struct script *s, const struct framegen *g, struct sp_frame *f)
{
    bool is_up = g->dir == SP_DIR_UP;
    size_t n = is_up ? sizeof rows_up / sizeof rows_up[0] : sizeof rows_down / sizeof rows_down[0];
    const struct row *row = (is_up ? rows_up : rows_down) + script_pick(s, n);
    memset(f, 0, sizeof *f);
    f->kind = row->kind;
    row->fill(s, g, f);
}

static size_t write_raw(struct script *s, uint8_t *dst, size_t cap)
{
    struct sp_view raw = script_view(s, script_u8(s));
    size_t n = raw.n < cap ? raw.n : cap;
    if (n > 0)
        memcpy(dst, raw.p, n);
    return n;
}

static size_t write_frame(struct script *s, const struct framegen *g, uint8_t *dst, size_t cap)
{
    struct sp_frame f;
    size_t n = 0;
    framegen_frame(s, g, &f);
    return sp_wire_encode(&f, dst, cap, &n) == 0 ? n : 0;
}

size_t framegen_frames(struct script *s, const struct framegen *g, uint8_t *dst, size_t cap)
{
    size_t len = 0;
    for (unsigned left = 1 + (script_u8(s) & 3); left > 0; left--) {
        uint8_t how = script_u8(s);
        if (how >= RAW && how < DAMAGE) {
            len += write_raw(s, dst + len, cap - len);
            continue;
        }
        size_t n = write_frame(s, g, dst + len, cap - len);
        if (how >= DAMAGE && n > 0) {
            size_t at = script_u8(s) % n;
            dst[len + at] ^= script_u8(s);
        }
        len += n;
    }
    return len;
}
