/* One window, one outstanding pull, one ack:R.  What is missing is known from three numbers: `have` (no hole
 * below), `expect` (was sent to us), `head` (exists at the gateway). */
#include "inbox.h"

#include "bug.h"
#include <sampan/err.h>

#include <string.h>

#define ACK_GATHER_US (20 * SP_MS) /* section 5.5 */
#define HOLE_LEAST_US (50 * SP_MS) /* section 5.4 */
#define HOLE_MOST_US  (700 * SP_MS)
#define HOLE_CAP_US   (30 * SP_SECOND) /* of the doubling while pulls do not fill the hole */
#define PTO_GUESS     (435 * SP_MS)    /* of a link without samples: section 6, rules 3 and 4 */

void sp_inbox_init(struct sp_inbox *in, const struct sp_inbox_config *cfg, const struct sp_local_state *state)
{
    SP_ASSERT(cfg->slots_n >= 1);
    memset(in, 0, sizeof *in);
    in->ledger = cfg->ledger;
    in->rng = cfg->rng;
    in->slots = cfg->slots;
    in->slots_n = cfg->slots_n;
    in->epoch = state->epoch;
    in->kept = in->expect = in->head = state->cursor.v;
    sp_span_init(&in->span, in->kept);
    sp_pending_init(&in->pull);
    sp_pending_init(&in->ack);
    in->pto = PTO_GUESS;
    in->hole_due = in->ack_due = in->behind_due = SP_NEVER;
}

void sp_inbox_session_up(struct sp_inbox *in, sp_time now)
{
    in->is_up = true;
    in->is_bound = in->is_refused = in->is_behind = false;
    in->expect = in->head = sp_span_have(&in->span);
    in->stated = in->confirmed < in->kept ? in->confirmed : in->kept;
    in->seen = 0;
    in->ack_due = now;
}

void sp_inbox_session_lost(struct sp_inbox *in)
{
    in->is_up = in->is_bound = false;
    sp_pending_stop(&in->pull);
    sp_pending_stop(&in->ack);
    in->hole = 0;
    in->hole_due = in->behind_due = in->ack_due = SP_NEVER;
}

static void raise(uint32_t *v, uint32_t to)
{
    if (*v < to)
        *v = to;
}

/* ---- What is missing ---- */

static sp_time hole_wait(const struct sp_inbox *in)
{
    sp_time wait = 2 * in->pto;
    if (wait < HOLE_LEAST_US)
        wait = HOLE_LEAST_US;
    if (wait > HOLE_MOST_US)
        wait = HOLE_MOST_US;
    for (unsigned i = 0; i < in->hole_tries && wait < HOLE_CAP_US; i++)
        wait *= 2;
    return wait < HOLE_CAP_US ? wait : HOLE_CAP_US;
}

/* Looks for the lowest hole after anything came.  Its clock runs from when it became the lowest. */
static void note_hole(struct sp_inbox *in, sp_time now)
{
    uint32_t have = sp_span_have(&in->span);
    if (have >= in->expect) {
        in->hole = 0;
        in->hole_tries = 0;
        in->hole_due = SP_NEVER;
    } else if (in->hole != have + 1) {
        in->hole = have + 1;
        in->hole_tries = 0;
        in->hole_due = now + hole_wait(in);
    }
}

/* Messages of one pull: as far as the window reaches, counted from the cursor that the pull states. */
static uint32_t pull_max(const struct sp_inbox *in)
{
    uint32_t handed = in->span.base - in->kept;
    if (handed >= SP_INBOX_PULL_MAX)
        return 0; /* the app has to keep first: the gateway counts from the cursor */
    uint32_t max = handed + in->slots_n;
    return max < SP_INBOX_PULL_MAX ? max : SP_INBOX_PULL_MAX;
}

/* The seq after which the window of slots begins: a skipped range that is next to be handed up needs none. */
static uint32_t window_base(const struct sp_inbox *in)
{
    struct sp_span_range next;
    return sp_span_next(&in->span, &next) && next.why != 0 ? next.hi : in->span.base;
}

/* Whether a pull could bring something that there is room for. */
static bool has_room(const struct sp_inbox *in)
{
    uint32_t have = sp_span_have(&in->span);
    return have - window_base(in) < in->slots_n && have - in->kept < pull_max(in);
}

static bool may_pull(const struct sp_inbox *in)
{
    return in->is_up && !in->is_refused && !in->resync.is_due;
}

/* When the next PULL:R is due; SP_NEVER: nothing to pull, or no room. */
static sp_time pull_due(const struct sp_inbox *in)
{
    if (!may_pull(in))
        return SP_NEVER;
    if (in->pull.is_waiting)
        return in->pull.due;
    if (in->is_behind)
        return in->behind_due;
    if (!in->is_bound)
        return 0;
    if (in->hole == 0 && sp_span_have(&in->span) >= in->head)
        return SP_NEVER; /* nothing is missing, which is the usual case */
    if (!has_room(in))
        return SP_NEVER;
    return in->hole != 0 ? in->hole_due : 0;
}

/* When the next ack:R is due.  A pull on its way carries a cursor itself. */
static sp_time ack_due(const struct sp_inbox *in)
{
    if (!may_pull(in) || !in->is_bound || in->is_behind)
        return SP_NEVER;
    if (in->kept > in->stated)
        return in->ack_due;
    return in->ack.is_waiting ? in->ack.due : SP_NEVER;
}

/* ---- Behind ---- */

/* The gateway refused a cursor: it starts from the one it has confirmed, and so do we (section 5.4), or from
 * what it has sent since.  Seqs that come again are removed here, and once it has sent them it will take our
 * cursor. */
static void fall_behind(struct sp_inbox *in, uint32_t confirmed, sp_time now)
{
    sp_time wait = 0;
    if (in->behind_tries > 0)
        wait = sp_pending_wait_us(SP_PENDING_PULL, in->behind_tries - 1, 3 * in->pto);
    in->behind_tries++;
    if (in->seen >= in->kept || in->is_behind)
        in->seen = 0; /* it does not know that it has sent so much */
    in->is_behind = true;
    in->behind = in->behind_to = in->seen > confirmed ? in->seen : confirmed;
    in->behind_due = now + wait;
    sp_pending_stop(&in->ack);
}

static void end_behind(struct sp_inbox *in, sp_time now)
{
    in->is_behind = false;
    in->stated = in->confirmed;
    in->ack_due = now;
}

/* Messages of such a pull came, or none for a while.  Until all are there the next pull has to wait: it would
 * end the one under way. */
static void go_on_behind(struct sp_inbox *in, sp_time now)
{
    if (in->seen >= in->kept) {
        end_behind(in, now);
        return;
    }
    raise(&in->behind, in->seen);
    in->behind_due = now;
    if (in->behind < in->behind_to)
        in->behind_due += sp_pending_wait_us(SP_PENDING_PULL, 0, 3 * in->pto);
}

/* The answer to such a pull.  Without progress our cursor must be above the mailbox: binding again finds out.
 */
static void note_behind(struct sp_inbox *in, uint32_t to, sp_time now)
{
    bool is_stuck = to <= in->behind && in->seen <= in->behind;
    in->behind_to = to;
    if (!is_stuck) {
        go_on_behind(in, now);
    } else {
        in->is_bound = in->kept <= to;
        end_behind(in, now);
    }
}

static void note_seen(struct sp_inbox *in, uint32_t seq, sp_time now)
{
    raise(&in->seen, seq);
    if (in->is_behind && !in->pull.is_waiting && in->behind < in->behind_to)
        go_on_behind(in, now);
}

/* ---- Frames of the gateway ---- */

static void store(struct sp_inbox *in, const struct sp_frame_msg_n *f)
{
    struct sp_inbox_slot *s = &in->slots[f->seq.v % in->slots_n];
    s->msgid = f->msgid;
    s->at_ms = f->at_ms;
    s->device = f->device;
    s->body_len = (uint16_t)f->body.n;
    s->from_len = (uint8_t)f->from.n;
    s->group_len = (f->flags & SP_MSG_GROUP) != 0 ? (uint8_t)f->group.n : 0;
    memcpy(s->from, f->from.p, f->from.n);
    if (s->group_len > 0)
        memcpy(s->group, f->group.p, s->group_len);
    if (s->body_len > 0)
        memcpy(s->body, f->body.p, s->body_len);
}

void sp_inbox_msg_n(struct sp_inbox *in, const struct sp_frame_msg_n *f, sp_time now)
{
    uint32_t seq = f->seq.v;
    if (!may_pull(in) || in->epoch.v == 0)
        return; /* of another epoch, or nobody asked for messages */
    if ((f->flags & SP_MSG_FRAG) != 0 || f->body.n > SP_PART_MAX) {
        in->fragments++;
        return;
    }
    note_seen(in, seq, now);
    if (sp_span_has(&in->span, seq)) {
        in->duplicates++;
        return;
    }
    raise(&in->expect, seq);
    raise(&in->head, seq);
    if (seq - window_base(in) > in->slots_n || sp_span_add(&in->span, seq) != 0) {
        in->overflows++; /* no room: it will be pulled */
    } else {
        store(in, f);
        if ((f->flags & SP_MSG_FOUR) == 0)
            raise(&in->loud, seq);
    }
    note_hole(in, now);
}

static void note_answer(struct sp_inbox *in, const struct sp_frame_pull_a *f, bool is_ours, sp_time now)
{
    raise(&in->confirmed, f->confirmed.v);
    raise(&in->expect, f->to.v);
    raise(&in->head, f->svr_seq.v);
    for (size_t i = 0; i < f->n; i++) {
        raise(&in->seen, f->skipped[i].hi);
        (void)sp_span_skip(&in->span, f->skipped[i].lo, f->skipped[i].hi, f->skipped[i].why);
    }
    if (is_ours && in->pull_confirms) {
        in->is_bound = true;
        if (in->confirmed < in->stated) { /* it has not taken the cursor of the pull: say it once more */
            in->stated = in->confirmed;
            in->ack_due = now + ACK_GATHER_US;
        }
    }
    if (is_ours && in->is_behind && !in->pull_confirms)
        note_behind(in, f->to.v, now);
    note_hole(in, now);
    if (is_ours && in->hole != 0)
        in->hole_due = now + hole_wait(in); /* what was pulled is on its way now */
}

void sp_inbox_pull_a(struct sp_inbox *in, const struct sp_frame_pull_a *f, sp_time now)
{
    bool is_ours = in->pull.is_waiting && in->pull.id == f->id;
    if (!may_pull(in) || f->code == SP_CODE_BUSY)
        return; /* BUSY: the repeat timer asks again */
    if (f->code == SP_CODE_FORBIDDEN) {
        in->is_refused = in->wants_refusal_told = true;
        return;
    }
    if (f->epoch.v != in->epoch.v)
        return;
    if (is_ours)
        sp_pending_stop(&in->pull);
    if (f->code == SP_CODE_OK)
        note_answer(in, f, is_ours, now);
    else if (is_ours)
        fall_behind(in, f->confirmed.v, now);
}

void sp_inbox_resync(struct sp_inbox *in, const struct sp_frame_resync *f, sp_time now)
{
    bool is_ours = f->id == 0 || (in->pull.is_waiting && in->pull.id == f->id);
    if (!may_pull(in))
        return;
    in->is_bound = false; /* ruling 5; the next pull binds again */
    if (is_ours)
        sp_pending_stop(&in->pull);
    sp_pending_stop(&in->ack);
    if (f->epoch.v == in->epoch.v && (!is_ours || f->why == SP_RESYNC_EPOCH))
        return; /* the answer to a copy of an older pull: adopted already */
    in->resync.is_due = true;
    in->resync.epoch = f->epoch;
    in->resync.lo = f->lo.v;
    in->resync.hi = f->hi.v;
    sp_span_init(&in->span, in->span.base);
    in->expect = in->span.base;
    note_hole(in, now);
}

void sp_inbox_tip(struct sp_inbox *in, const struct sp_frame_tip *f)
{
    if (may_pull(in))
        raise(&in->head, f->svr_seq.v);
}

void sp_inbox_ack_a(struct sp_inbox *in, const struct sp_frame_ack_a *f, sp_time now)
{
    if (!may_pull(in) || !in->is_bound)
        return;
    bool is_ours = in->ack.is_waiting && in->ack.id == f->id;
    if (f->code == SP_CODE_OK) {
        raise(&in->confirmed, f->confirmed.v);
        in->behind_tries = 0;
        if (is_ours || in->confirmed >= in->stated)
            sp_pending_stop(&in->ack);
    } else if (is_ours && f->code == SP_CODE_ACK_TOO_HIGH) {
        fall_behind(in, f->confirmed.v, now);
    } else if (is_ours && f->code == SP_CODE_NOT_BOUND) {
        sp_pending_stop(&in->ack);
        in->is_bound = false;
    } else if (f->code == SP_CODE_BUSY && in->confirmed < in->stated) {
        raise(&in->loud, in->stated); /* the next one wants an answer, whatever it is for */
        in->reached = 0;
        if (!in->ack.is_waiting)
            sp_pending_start(&in->ack, SP_PENDING_ACK_R, f->id, 3 * in->pto, in->rng, now);
    }
}

/* ---- Frames of ours ---- */

/* The numbering begins anew.  SP_EIO: local storage has not taken it; nothing changed. */
static int adopt(struct sp_inbox *in, sp_time now)
{
    struct sp_seq lo = {in->resync.lo};
    int rc = sp_ledger_cursor(in->ledger, in->resync.epoch, lo, now);
    if (rc != 0)
        return rc;
    in->epoch = in->resync.epoch;
    in->resync.is_due = false;
    sp_span_init(&in->span, lo.v);
    in->kept = in->confirmed = in->stated = in->expect = lo.v;
    in->reached = 0;
    in->head = in->resync.hi;
    in->loud = 0;
    in->is_behind = false;
    in->seen = 0;
    note_hole(in, now);
    return 0;
}

bool sp_inbox_step(struct sp_inbox *in, sp_time pto, sp_time now)
{
    in->pto = pto;
    /* The first epoch of a new store is no news for the app; a later one is adopted when it was told. */
    if (in->resync.is_due && in->epoch.v == 0)
        (void)adopt(in, now);
    return pull_due(in) <= now || ack_due(in) <= now;
}

static uint16_t next_id(const struct sp_inbox *in)
{
    return in->last_id == UINT16_MAX ? 1 : (uint16_t)(in->last_id + 1);
}

static uint8_t held(const struct sp_inbox *in, uint32_t cursor, struct sp_range *out)
{
    struct sp_span_range ranges[SP_HELD_MAX];
    size_t n = sp_span_held(&in->span, cursor, ranges, SP_HELD_MAX);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct sp_range){.lo = ranges[i].lo, .hi = ranges[i].hi};
    return (uint8_t)n;
}

static void build_pull(const struct sp_inbox *in, struct sp_frame *f)
{
    struct sp_frame_pull_r *p = &f->u.pull_r;
    f->kind = SP_KIND_PULL_R;
    *p = (struct sp_frame_pull_r){0};
    p->id = in->pull.is_waiting ? in->pull.id : next_id(in);
    p->epoch = in->epoch;
    if (in->is_behind) {
        p->cursor.v = in->behind;
        p->max = SP_INBOX_PULL_MAX;
        return;
    }
    uint32_t max = pull_max(in);
    p->flags = SP_PULL_CONFIRMS;
    p->cursor.v = in->kept;
    p->max = (uint16_t)(max > 0 ? max : 1);
    p->n = held(in, in->kept, p->held);
}

static void build_ack(const struct sp_inbox *in, struct sp_frame *f)
{
    struct sp_frame_ack_r *a = &f->u.ack_r;
    f->kind = SP_KIND_ACK_R;
    *a = (struct sp_frame_ack_r){0};
    a->kind = SP_ACK_R_DELIVERED;
    if (in->loud <= in->confirmed)
        a->kind |= SP_ACK_R_SILENT; /* ruling 36: all since the last answer came in four-report mode */
    a->id = next_id(in);
    a->cursor.v = in->kept;
    a->n = held(in, in->kept, a->held);
}

int sp_inbox_frame(struct sp_inbox *in, struct sp_frame *f, sp_time now)
{
    if (!sp_ledger_is_durable(in->ledger))
        return SP_EAGAIN;
    if (pull_due(in) <= now) {
        build_pull(in, f);
        return 0;
    }
    if (ack_due(in) <= now) {
        build_ack(in, f);
        return 0;
    }
    return SP_EAGAIN;
}

static void note_pull_sent(struct sp_inbox *in, const struct sp_frame_pull_r *p, sp_time now)
{
    in->pulls++;
    in->pull_confirms = (p->flags & SP_PULL_CONFIRMS) != 0;
    if (in->pull_confirms)
        raise(&in->stated, p->cursor.v);
    if (in->hole != 0)
        in->hole_tries++;
    if (in->pull.is_waiting) {
        sp_pending_again(&in->pull, 3 * in->pto, in->rng, now);
        return;
    }
    in->last_id = p->id;
    sp_pending_start(&in->pull, SP_PENDING_PULL, p->id, 3 * in->pto, in->rng, now);
}

static void note_ack_sent(struct sp_inbox *in, const struct sp_frame_ack_r *a, sp_time now)
{
    bool is_repeat = in->ack.is_waiting && a->cursor.v == in->stated;
    unsigned tries = is_repeat ? in->ack.tries : 0;
    in->last_id = a->id;
    in->stated = a->cursor.v;
    in->ack_due = SP_NEVER;
    if ((a->kind & SP_ACK_R_SILENT) != 0) {
        sp_pending_stop(&in->ack);
        return;
    }
    sp_pending_start(&in->ack, SP_PENDING_ACK_R, a->id, 3 * in->pto, in->rng, now);
    if (is_repeat) {
        in->ack.tries = (uint8_t)tries;
        sp_pending_again(&in->ack, 3 * in->pto, in->rng, now);
    }
}

void sp_inbox_note_sent(struct sp_inbox *in, const struct sp_frame *f, sp_time now)
{
    if (f->kind == SP_KIND_PULL_R)
        note_pull_sent(in, &f->u.pull_r, now);
    else
        note_ack_sent(in, &f->u.ack_r, now);
}

sp_time sp_inbox_deadline(const struct sp_inbox *in)
{
    sp_time pull = pull_due(in), ack = ack_due(in);
    sp_time at = pull < ack ? pull : ack;
    /* While local storage fails nothing is due before it is asked again. */
    sp_time retry = sp_ledger_retry_at(in->ledger);
    bool wants_row = at != SP_NEVER || (in->is_up && in->resync.is_due && in->epoch.v == 0);
    if (retry == SP_NEVER || !wants_row)
        return at;
    return at != SP_NEVER && at > retry ? at : retry;
}

/* ---- The app ---- */

static void describe_message(const struct sp_inbox *in, uint32_t seq, struct sp_client_event *ev)
{
    const struct sp_inbox_slot *s = &in->slots[seq % in->slots_n];
    *ev = (struct sp_client_event){.kind = SP_CLIENT_MESSAGE,
                                   .msgid = s->msgid,
                                   .seq = {seq},
                                   .from = {{s->from, s->from_len}},
                                   .device = s->device,
                                   .group = {s->group, s->group_len},
                                   .body = {s->body, s->body_len},
                                   .at_ms = (int64_t)s->at_ms};
}

int sp_inbox_poll(struct sp_inbox *in, struct sp_client_event *ev, sp_time now)
{
    struct sp_span_range r;
    if (in->resync.is_due) {
        if (in->epoch.v == 0 || adopt(in, now) != 0)
            return SP_EAGAIN;
        *ev = (struct sp_client_event){.kind = SP_CLIENT_RESYNC, .lo = {in->kept}, .hi = {in->head}};
        return 0;
    }
    if (!sp_span_next(&in->span, &r))
        return SP_EAGAIN;
    if (r.why == 0)
        describe_message(in, r.lo, ev);
    else
        *ev = (struct sp_client_event){.kind = SP_CLIENT_SKIPPED, .lo = {r.lo}, .hi = {r.hi}, .why = r.why};
    sp_span_pass(&in->span, r.hi);
    return 0;
}

bool sp_inbox_has_event(const struct sp_inbox *in)
{
    return (in->resync.is_due && in->epoch.v != 0) || sp_span_has_next(&in->span);
}

bool sp_inbox_take_refusal(struct sp_inbox *in)
{
    bool was = in->wants_refusal_told;
    in->wants_refusal_told = false;
    return was;
}

int sp_inbox_keep(struct sp_inbox *in, uint32_t upto, sp_time now)
{
    if (upto > in->span.base)
        return SP_EINVAL;
    if (upto <= in->kept)
        return 0;
    int rc = sp_ledger_cursor(in->ledger, in->epoch, (struct sp_seq){upto}, now);
    if (rc != 0)
        return rc;
    if (in->kept <= in->stated || in->ack_due == SP_NEVER)
        in->ack_due = now + ACK_GATHER_US;
    in->kept = upto;
    return 0;
}

void sp_inbox_link_acked(struct sp_inbox *in, uint32_t cursor)
{
    if (in->loud <= in->confirmed)
        raise(&in->reached, cursor);
}

bool sp_inbox_is_settled(const struct sp_inbox *in)
{
    return in->kept <= in->confirmed || in->kept <= in->reached;
}

uint32_t sp_inbox_held(const struct sp_inbox *in)
{
    uint32_t n = 0;
    for (size_t i = 0; i < in->span.n; i++)
        if (in->span.ranges[i].why == 0)
            n += in->span.ranges[i].hi - in->span.ranges[i].lo + 1;
    return n;
}
