/* Ranges of frame fields as a table of one small predicate per kind. */
#include "wire_rules.h"

#include <string.h>

#define KINDS_MAX      0x40
#define MSG_CLASS_NONE 3    /* class value that does not exist */
#define MSG_R_UNKNOWN  0x80 /* flag bits that a msg:R must not carry */
#define MSG_N_UNKNOWN  (0x80 | SP_MSG_AFTER | SP_MSG_TTL)
#define AT_MS_MAX      (((uint64_t)1 << 48) - 1)
#define STREAM_LEN_MAX (((uint64_t)1 << 62) - 1) /* bytes that one direction of a stream may carry */
#define CTRL_N_ID_MAX  UINT32_MAX

static bool state_holds(uint8_t state)
{
    return state <= SP_STATE_READ || state >= SP_STATE_ENDED;
}

static bool known_state_holds(uint8_t state)
{
    return state != SP_STATE_UNKNOWN && state_holds(state);
}

/* Rising, disjoint ranges above `above`. */
static bool ranges_hold(const struct sp_range *r, size_t n, uint32_t above)
{
    for (size_t i = 0; i < n; i++) {
        if (r[i].lo <= above || r[i].lo > r[i].hi)
            return false;
        above = r[i].hi;
    }
    return true;
}

static bool id_holds(struct sp_view id)
{
    return id.n >= 1 && id.n <= SP_USER_MAX;
}

static bool part_holds(uint8_t flags, uint8_t index, uint8_t count, size_t body_len)
{
    if ((flags & SP_MSG_FRAG) == 0)
        return body_len <= SP_PART_MAX;
    if (count < SP_PARTS_MIN || count > SP_PARTS_MAX || index >= count)
        return false;
    if (index + 1 == count)
        return body_len >= 1 && body_len <= SP_PART_MAX;
    return body_len == SP_PART_MAX;
}

static bool flags_hold(uint8_t flags, unsigned unknown)
{
    return (flags & unknown) == 0 && (flags >> SP_MSG_CLASS_SHIFT) != MSG_CLASS_NONE;
}

/* Fields beside msgid or seq and body stand only in a whole message or its first part. */
static bool is_first(uint8_t flags, uint8_t index)
{
    return (flags & SP_MSG_FRAG) == 0 || index == 0;
}

static bool ack_holds(const struct sp_frame *f)
{
    const struct sp_frame_ack *a = &f->u.ack;
    if (a->n > SP_ACK_GAPS_MAX)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (a->gaps[i].gap == 0 || a->gaps[i].len == 0)
            return false;
    }
    return true;
}

static bool msg_r_holds(const struct sp_frame *f)
{
    const struct sp_frame_msg_r *m = &f->u.msg_r;
    if (!flags_hold(m->flags, MSG_R_UNKNOWN) || m->msgid.v == 0)
        return false;
    if (!part_holds(m->flags, m->index, m->count, m->body.n))
        return false;
    if (!is_first(m->flags, m->index))
        return true;
    if ((m->flags & SP_MSG_AFTER) != 0 && (m->after.v == 0 || m->after.v >= m->msgid.v))
        return false;
    if ((m->flags & SP_MSG_TTL) != 0 && m->ttl_s == 0)
        return false;
    return id_holds(m->to);
}

static bool msg_a_holds(const struct sp_frame *f)
{
    const struct sp_frame_msg_a *m = &f->u.msg_a;
    if (m->msgid.v == 0)
        return false;
    if (m->code == SP_CODE_OK)
        return known_state_holds(m->state);
    return m->seq.v == 0 && m->state == SP_STATE_UNKNOWN;
}

static bool msg_n_holds(const struct sp_frame *f)
{
    const struct sp_frame_msg_n *m = &f->u.msg_n;
    if (!flags_hold(m->flags, MSG_N_UNKNOWN) || m->seq.v == 0)
        return false;
    if (!part_holds(m->flags, m->index, m->count, m->body.n))
        return false;
    if (!is_first(m->flags, m->index))
        return true;
    if (m->msgid.v == 0 || m->at_ms > AT_MS_MAX || !id_holds(m->from))
        return false;
    return (m->flags & SP_MSG_GROUP) == 0 || id_holds(m->group);
}

static bool ack_r_holds(const struct sp_frame *f)
{
    const struct sp_frame_ack_r *a = &f->u.ack_r;
    unsigned kind = a->kind & ~(unsigned)SP_ACK_R_SILENT;
    if (kind != SP_ACK_R_DELIVERED && kind != SP_ACK_R_READ)
        return false;
    return a->id != 0 && a->n <= SP_HELD_MAX && ranges_hold(a->held, a->n, a->cursor.v);
}

static bool ack_a_holds(const struct sp_frame *f)
{
    return f->u.ack_a.id != 0;
}

static bool ack_n_holds(const struct sp_frame *f)
{
    return f->u.ack_n.msgid.v != 0 && known_state_holds(f->u.ack_n.state);
}

static bool ack_n_group_holds(const struct sp_frame *f)
{
    const struct sp_frame_ack_n_group *g = &f->u.ack_n_group;
    if (g->msgid.v == 0 || g->final > 1)
        return false;
    return g->total >= g->stored && g->stored >= g->delivered && g->delivered >= g->seen;
}

static bool pull_r_holds(const struct sp_frame *f)
{
    const struct sp_frame_pull_r *p = &f->u.pull_r;
    if ((p->flags & (uint8_t)~SP_PULL_CONFIRMS) != 0 || p->id == 0)
        return false;
    return p->n <= SP_HELD_MAX && ranges_hold(p->held, p->n, p->cursor.v);
}

static bool pull_a_holds(const struct sp_frame *f)
{
    const struct sp_frame_pull_a *p = &f->u.pull_a;
    if (p->id == 0 || p->n > SP_SKIPPED_MAX || p->to.v > p->svr_seq.v || p->confirmed.v > p->svr_seq.v)
        return false;
    uint32_t above = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct sp_skip *s = &p->skipped[i];
        if (s->lo <= above || s->lo > s->hi || s->why == 0)
            return false;
        above = s->hi;
    }
    return above <= p->to.v;
}

static bool resync_holds(const struct sp_frame *f)
{
    const struct sp_frame_resync *r = &f->u.resync;
    return r->why != 0 && r->epoch.v != 0 && r->lo.v <= r->hi.v;
}

static bool status_r_holds(const struct sp_frame *f)
{
    const struct sp_frame_status_r *s = &f->u.status_r;
    if (s->id == 0 || s->n == 0 || s->n > SP_STATUS_MAX)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        if (s->msgids[i].v == 0)
            return false;
    }
    return true;
}

static bool status_a_holds(const struct sp_frame *f)
{
    const struct sp_frame_status_a *s = &f->u.status_a;
    if (s->id == 0 || s->n == 0 || s->n > SP_STATUS_MAX)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        if (!state_holds(s->of[i].state))
            return false;
    }
    return true;
}

static bool done_holds(const struct sp_frame *f)
{
    return f->u.done.msgid.v != 0;
}

static bool ctrl_holds(const struct sp_frame *f)
{
    return f->u.ctrl.id != 0 && f->u.ctrl.map.n <= SP_CTRL_MAX;
}

static bool ctrl_n_holds(const struct sp_frame *f)
{
    return f->u.ctrl.id <= CTRL_N_ID_MAX && f->u.ctrl.map.n <= SP_CTRL_MAX;
}

/* Stream 0 is the session's sum and has a window only. */
static bool stream_holds(const struct sp_frame *f)
{
    return f->u.stream.stream != 0;
}

static bool stream_data_holds(const struct sp_frame *f)
{
    const struct sp_frame_stream *s = &f->u.stream;
    if (s->stream == 0 || s->bytes.n == 0 || s->bytes.n > UINT16_MAX)
        return false;
    return s->offset <= STREAM_LEN_MAX - s->bytes.n;
}

bool sp_wire_rules_hold(const struct sp_frame *f)
{
    static bool (*const rules[KINDS_MAX])(const struct sp_frame *) = {
        [SP_KIND_ACK] = ack_holds,
        [SP_KIND_MSG_R] = msg_r_holds,
        [SP_KIND_MSG_A] = msg_a_holds,
        [SP_KIND_MSG_N] = msg_n_holds,
        [SP_KIND_ACK_R] = ack_r_holds,
        [SP_KIND_ACK_A] = ack_a_holds,
        [SP_KIND_ACK_N] = ack_n_holds,
        [SP_KIND_ACK_N_GROUP] = ack_n_group_holds,
        [SP_KIND_PULL_R] = pull_r_holds,
        [SP_KIND_PULL_A] = pull_a_holds,
        [SP_KIND_RESYNC] = resync_holds,
        [SP_KIND_STATUS_R] = status_r_holds,
        [SP_KIND_STATUS_A] = status_a_holds,
        [SP_KIND_DONE] = done_holds,
        [SP_KIND_CTRL_R] = ctrl_holds,
        [SP_KIND_CTRL_A] = ctrl_holds,
        [SP_KIND_CTRL_N] = ctrl_n_holds,
        [SP_KIND_STREAM_OPEN] = stream_holds,
        [SP_KIND_STREAM_DATA] = stream_data_holds,
        [SP_KIND_STREAM_CLOSE] = stream_holds,
        [SP_KIND_STREAM_RESET] = stream_holds,
    };
    if (f->kind >= KINDS_MAX || rules[f->kind] == NULL)
        return true;
    return rules[f->kind](f);
}
