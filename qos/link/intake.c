/* Receive side of a link.  Rule numbers are those of docs/protocol.md, section 6. */
#include "intake.h"

#include <sampan/err.h>

#include "bug.h"
#include "kinds.h"
#include "link.h"

#define ANSWER_WAIT   (2 * SP_MS) /* rule 1: an answer ready within this time carries the ACK */
#define BUSY_ARRIVALS 10 /* rule 1: datagrams per round trip from which not each is acknowledged at once */

static void take_options(struct sp_link *l, const struct sp_frame_options *o)
{
    int8_t ahead = (int8_t)(o->rev - l->peer_options.rev); /* serial arithmetic (section 4) */
    if (l->has_peer_options && ahead <= 0)
        return;
    l->has_peer_options = true;
    l->peer_options = *o;
    sp_rtt_note_delay(&l->rtt, o->ackdelay_ms * SP_MS);
    sp_link_note_declared(l);
    sp_link_note_event(l, SP_LINK_OPTIONS);
}

/* Handles a frame of the link layer. */
static void take_frame(struct sp_link *l, const struct sp_frame *f, const struct sp_addr *from, sp_time now)
{
    switch (f->kind) {
    case SP_KIND_ACK:
        if (sp_recovery_note_ack(l, &f->u.ack, now) != 0)
            sp_link_violation(l, SP_KIND_ACK, now);
        return;
    case SP_KIND_PATH_CHALLENGE:
        sp_path_note_challenged(&l->path, from, f->u.path.data);
        return;
    case SP_KIND_PATH_RESPONSE:
        if (sp_path_note_answered(&l->path, from, f->u.path.data, now) == SP_PATH_MOVED)
            sp_link_note_moved(l, now);
        return;
    case SP_KIND_CLOSE:
        sp_link_shut(l, &f->u.close, false, now);
        return;
    case SP_KIND_OPTIONS:
        take_options(l, &f->u.options);
        return;
    default: /* PAD and PING have done all by arriving */
        return;
    }
}

/* What a datagram as a whole holds. */
struct survey {
    bool elicits, is_for_delivery;
    size_t link_end;       /* bytes up to the end of the last frame of the link */
    size_t lead;           /* of them before the first other frame */
    struct sp_frame first; /* the first frame, mostly the ACK */
    size_t first_len;
};

static void note_kind(struct survey *s, uint8_t kind, size_t at, size_t used)
{
    const struct sp_kind_facts *facts = sp_kinds_get(kind);
    if (facts->name == NULL) {
        s->elicits = true;
        return;
    }
    s->elicits |= facts->elicits;
    if (!facts->is_link) {
        s->is_for_delivery = true;
        return;
    }
    s->link_end = at + used;
    if (s->lead == at)
        s->lead = s->link_end;
}

/* Parses all frames.  SP_EMALFORMED with the kind of the one that is wrong in *cause. */
static int survey(struct survey *s, struct sp_view in, enum sp_dir dir, uint8_t *cause)
{
    struct sp_frame other;
    size_t at = 0, used = 0;
    s->elicits = s->is_for_delivery = false;
    s->link_end = s->lead = s->first_len = 0;
    for (; at < in.n; at += used) {
        struct sp_frame *f = at == 0 ? &s->first : &other;
        if (sp_wire_decode((struct sp_view){in.p + at, in.n - at}, dir, f, &used) != 0) {
            *cause = in.p[at];
            return SP_EMALFORMED;
        }
        note_kind(s, f->kind, at, used);
        if (at == 0)
            s->first_len = used;
    }
    return 0;
}

/* Rule 1: when the ACK of this datagram leaves. */
static void owe_ack(struct sp_link *l, const struct survey *s, sp_time now)
{
    if (!s->elicits)
        return;
    sp_time passed = now - l->arrivals_at;
    if (passed >= l->rtt.srtt) {
        l->arrivals_before = passed < 2 * l->rtt.srtt ? l->arrivals : 0;
        l->arrivals = 0;
        l->arrivals_at = now;
    }
    if (l->arrivals < UINT16_MAX)
        l->arrivals++;
    if (l->acks_owed < UINT8_MAX)
        l->acks_owed++;

    bool is_busy = l->arrivals >= BUSY_ARRIVALS || l->arrivals_before >= BUSY_ARRIVALS;
    if (is_busy ? l->acks_owed >= 2 : !s->is_for_delivery)
        l->ack_now = true;
    sp_time at = now + (is_busy ? l->cfg.ackdelay_ms * SP_MS : ANSWER_WAIT);
    if (at < l->ack_at)
        l->ack_at = at;
}

/* Reads all frames: those of the link are handled, the others wait for sp_link_next. */
static void take_frames(struct sp_link *l, struct sp_view in, const struct sp_addr *from, sp_time now)
{
    uint8_t cause = 0;
    struct survey s;
    if (survey(&s, in, l->unseal.dir, &cause) != 0) { /* all before the first is processed (ruling 30) */
        sp_link_violation(l, cause, now);
        return;
    }
    l->frames = (struct sp_view){in.p + s.lead, in.n - s.lead};
    if (s.link_end > 0)
        take_frame(l, &s.first, from, now);
    for (size_t at = s.first_len, used = 0; at < s.link_end && !l->is_closed; at += used) {
        struct sp_frame f;
        int err = sp_wire_decode((struct sp_view){in.p + at, in.n - at}, l->unseal.dir, &f, &used);
        SP_ASSERT(err == 0);
        take_frame(l, &f, from, now);
    }
    owe_ack(l, &s, now);
}

/* Opens a datagram in place and marks its number.  Input order: length, number, crypto, state
 * (docs/style.md). */
static int open_datagram(struct sp_link *l, const struct sp_datagram *in, sp_time now, uint64_t *pn,
                         struct sp_view *frames)
{
    size_t header = sp_seal_header(l->unseal.dir);
    if (in->len > SP_DATAGRAM_MAX || in->len < header + SP_TAG_LEN)
        return SP_EMALFORMED;
    uint16_t low = (uint16_t)(in->p[header - 2] << 8 | in->p[header - 1]);
    *pn = sp_seal_number(l->replay.largest + 1, low);
    if (*pn == 0)
        return SP_EMALFORMED;
    int err = sp_replay_check(&l->replay, *pn);
    if (err != 0)
        return err;
    err = sp_seal_open(&l->unseal, in->p, in->len, *pn, l->replay.largest, 3 * sp_rtt_pto(&l->rtt), now,
                       frames);
    if (err != 0)
        return err;
    sp_replay_mark(&l->replay, *pn);
    l->stats.packets_received++;
    l->stats.bytes_received += in->len;
    return 0;
}

/* Section 2.4: a CLOSE is repeated on the 1st, 2nd, 4th, 8th... packet that comes after it, for 3 PTO. */
static void note_after_close(struct sp_link *l)
{
    l->close_heard++;
    if ((l->close_heard & (l->close_heard - 1)) == 0)
        l->close_due = l->is_stirred = true;
}

static void note_address(struct sp_link *l, const struct sp_datagram *in, bool is_newest, sp_time now)
{
    if (l->cfg.role == SP_LINK_CLIENT)
        return;
    sp_time pto = sp_rtt_pto(&l->rtt);
    if (sp_path_note_heard(&l->path, &in->peer, in->len, is_newest, pto, now) == SP_PATH_MOVED)
        sp_link_note_moved(l, now);
    /* The first DATA proves that our ACCEPT arrived where the INIT came from (section 2.3, step 5). */
    if (!l->is_up && sp_path_is_same(&in->peer, &l->cfg.peer) && sp_path_is_same(&in->peer, &l->path.peer))
        sp_path_prove(&l->path);
}

int sp_intake_datagram(struct sp_link *l, struct sp_datagram *in, sp_time now)
{
    l->frames = (struct sp_view){0};
    if (sp_link_is_finished(l, now))
        return SP_ECLOSED;
    uint64_t before = l->replay.largest;
    uint64_t pn = 0;
    struct sp_view frames;
    int err = open_datagram(l, in, now, &pn, &frames);
    if (l->is_closed) {
        if (err == 0)
            note_after_close(l);
        return SP_ECLOSED;
    }
    if (err != 0)
        return err;

    l->is_stirred = true;
    sp_recovery_note_heard(l, now);
    sp_loss_note_received(&l->loss, pn);
    sp_ackset_add(&l->ackset, pn, now);
    l->ack_changed_at = now;
    l->ack_repeats = 0;
    note_address(l, in, pn > before, now);
    if (!l->is_up) {
        l->is_up = true;
        sp_link_note_event(l, SP_LINK_UP);
    }
    take_frames(l, frames, l->cfg.role == SP_LINK_CLIENT ? &l->path.peer : &in->peer, now);
    return 0;
}
