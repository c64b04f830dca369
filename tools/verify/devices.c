/* A device is handed every seq above its cursor once, in order; a restart takes it back to its durable
 * cursor. */
#include "devices.h"

#include "senders.h"
#include "verdict.h"

/* ---- cursor ---- */

static void raise_kept(struct sp_verify *v, uint32_t device, uint32_t seq)
{
    uint32_t mailbox = sp_facts_device_at(v, device)->mailbox;
    if (mailbox == SP_ROWS_NONE)
        return;
    uint32_t view = sp_facts_view(v, device, mailbox);
    if (view == SP_ROWS_NONE)
        return;
    if (sp_facts_view_at(v, view)->kept_hi < seq)
        sp_facts_view_at(v, view)->kept_hi = seq;
    if (sp_facts_mailbox_at(v, mailbox)->kept_hi < seq)
        sp_facts_mailbox_at(v, mailbox)->kept_hi = seq;
}

/* Everything handed up to seq is kept. */
static void keep(struct sp_verify *v, uint32_t device, uint32_t seq, struct sp_verify_place at)
{
    struct sp_fact_device *d = sp_facts_device_at(v, device);
    for (; d->hands_kept < d->hands.n; d->hands_kept++) {
        const struct sp_fact_hand *h = sp_facts_hand_at(v, d->hands.of[d->hands_kept]);
        if (h->mailbox == d->mailbox && h->seq > seq)
            break;
        struct sp_fact_message *m = sp_facts_message_at(v, (uint32_t)h->key.b);
        m->holders++;
        if (m->kept_at.line == 0)
            m->kept_at = at;
        v->sum.kept += (m->bits & SP_FACT_KEPT) == 0;
        m->bits |= SP_FACT_KEPT;
    }
    raise_kept(v, device, seq);
}

/* The last message handed to the device comes again. */
static void undo_last(struct sp_verify *v, uint32_t device, struct sp_verify_place at)
{
    struct sp_fact_device *d = sp_facts_device_at(v, device);
    struct sp_fact_hand *h = sp_facts_hand_at(v, d->hands.of[--d->hands.n]);
    uint32_t message = (uint32_t)h->key.b;
    struct sp_fact_message *m = sp_facts_message_at(v, message);
    h->is_out = false;
    if (d->hands_kept <= d->hands.n)
        return;
    d->hands_kept = d->hands.n;
    m->holders--;
    if (m->holders == 0 && m->end == SP_STATE_DELIVERED && sp_facts_is_before(m->told_at, at))
        sp_verdict_message(v, SP_VERIFY_CURSOR_DOWN,
                           "told DELIVERED before the cursor of its recipient was durable", message, at,
                           m->told_at);
}

/* What a restart with this cursor takes back. */
static void undo(struct sp_verify *v, uint32_t device, uint32_t cursor, struct sp_verify_place at)
{
    for (;;) {
        const struct sp_fact_device *d = sp_facts_device_at(v, device);
        if (d->hands.n == 0)
            return;
        const struct sp_fact_hand *h = sp_facts_hand_at(v, d->hands.of[d->hands.n - 1]);
        bool is_kept = d->hands.n <= d->hands_kept;
        if (h->mailbox == d->mailbox ? h->seq <= cursor : is_kept)
            return;
        undo_last(v, device, at);
    }
}

static void run(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                struct sp_verify_place at)
{
    sp_senders_run(v, e, device);
    struct sp_fact_device *d = sp_facts_device_at(v, device);
    bool is_other = d->install != 0 && d->install != e->install;
    uint32_t user = d->user;
    v->sum.runs++;
    d->runs++;
    if (is_other) { /* another store knows nothing of what this one was handed */
        d->store++;
        d->hands.n = d->hands_kept = d->sends.n = 0;
    }
    d->install = e->install;
    d->has_base = e->epoch != 0 || e->seq != 0;
    d->next = (uint64_t)e->seq + 1;
    sp_facts_user_at(v, user)->has_run = true;
    uint32_t mailbox = d->has_base ? sp_facts_mailbox(v, user, e->epoch, 0) : SP_ROWS_NONE;
    d = sp_facts_device_at(v, device);
    if (mailbox != SP_ROWS_NONE) {
        uint32_t view = sp_facts_view(v, device, mailbox);
        if (view == SP_ROWS_NONE)
            return;
        const struct sp_fact_view *w = sp_facts_view_at(v, view);
        d->mailbox = mailbox;
        if (w->confirmed_hi > e->seq && sp_facts_is_before(w->confirmed_at, at))
            sp_verdict_seq(v, SP_VERIFY_CURSOR_DOWN, "the device starts below what it has confirmed",
                           &(struct sp_verdict_spot){.device = device,
                                                     .mailbox = mailbox,
                                                     .seq = e->seq,
                                                     .at = at,
                                                     .against = w->confirmed_at});
        undo(v, device, e->seq, at);
        keep(v, device, e->seq, at);
    } else {
        undo(v, device, 0, at);
        d->mailbox = SP_ROWS_NONE;
    }
}

/* ---- seqs ---- */

static void note_span(struct sp_verify *v, uint32_t device, struct sp_fact_span s)
{
    uint32_t place = sp_facts_span(v);
    if (place == SP_ROWS_NONE)
        return;
    s.device = device;
    *sp_facts_span_at(v, place) = s;
}

/* The mailbox of this event; its device may learn its epoch by it. */
static uint32_t mailbox_of(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                           struct sp_verify_place at)
{
    const struct sp_fact_device *d = sp_facts_device_at(v, device);
    bool is_known = d->mailbox != SP_ROWS_NONE;
    uint64_t epoch = is_known ? sp_facts_mailbox_at(v, d->mailbox)->key.b : 0;
    if (is_known && (e->epoch == 0 || e->epoch == epoch))
        return d->mailbox;
    uint32_t mailbox = sp_facts_mailbox(v, d->user, e->epoch, 0);
    if (is_known && epoch != 0 && mailbox != SP_ROWS_NONE)
        sp_verdict_seq(
            v, SP_VERIFY_EPOCH, "a seq of another epoch without RESYNC",
            &(struct sp_verdict_spot){.device = device, .mailbox = mailbox, .seq = e->seq, .at = at});
    sp_facts_device_at(v, device)->mailbox = mailbox;
    return mailbox;
}

/* The device is told about seqs lo..hi. */
static uint32_t advance(struct sp_verify *v, const struct sp_history_event *e, uint32_t device, uint32_t hi,
                        struct sp_verify_place at)
{
    uint32_t mailbox = mailbox_of(v, e, device, at);
    struct sp_fact_device *d = sp_facts_device_at(v, device);
    uint32_t lo = e->seq;
    if (mailbox == SP_ROWS_NONE)
        return mailbox;
    if (!d->has_base && lo > 1)
        note_span(v, device,
                  (struct sp_fact_span){
                      .mailbox = mailbox, .lo = 1, .hi = lo - 1, .why = SP_HISTORY_WHY_CONFIRMED, .at = at});
    else if (d->has_base && lo > d->next)
        sp_verdict_seq(v, SP_VERIFY_SKIPPED_POLL, "seqs are missing before this one",
                       &(struct sp_verdict_spot){.device = device, .mailbox = mailbox, .seq = lo, .at = at});
    else if (d->has_base && lo < d->next)
        sp_verdict_seq(v, SP_VERIFY_OUT_OF_ORDER, "a seq that is not above the one before",
                       &(struct sp_verdict_spot){.device = device, .mailbox = mailbox, .seq = lo, .at = at});
    d->has_base = true;
    d->next = (uint64_t)hi + 1;
    struct sp_fact_mailbox *b = sp_facts_mailbox_at(v, mailbox);
    if (b->handed_hi < hi) {
        b->handed_hi = hi;
        b->handed_at = at;
    }
    return mailbox;
}

static void note_hand(struct sp_verify *v, uint32_t device, uint32_t mailbox, uint32_t message, uint32_t seq,
                      struct sp_verify_place at)
{
    bool is_new;
    uint32_t place = sp_rows_get(&v->hands, (struct sp_rows_key){device, message}, &is_new);
    if (place == SP_ROWS_NONE) {
        v->is_full = true;
        return;
    }
    struct sp_fact_hand *h = sp_facts_hand_at(v, place);
    struct sp_fact_device *d = sp_facts_device_at(v, device);
    v->sum.handed++;
    v->sum.again += !is_new && h->store == d->store;
    if (!is_new && h->is_out && h->store == d->store) {
        sp_verdict_message(v, SP_VERIFY_DUPLICATE,
                           h->mailbox != mailbox ? "handed twice to one device, in two epochs"
                                                 : "handed twice to one device",
                           message, at, h->at);
        return;
    }
    h->mailbox = mailbox;
    h->seq = seq;
    h->store = d->store;
    h->is_out = true;
    h->at = at;
    (void)sp_facts_push(v, &d->hands, place);
}

static void handed(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                   struct sp_verify_place at)
{
    uint32_t user = sp_facts_device_at(v, device)->user;
    uint32_t sender = sp_facts_device(v, e->peer, e->peer_device);
    uint32_t message = sender == SP_ROWS_NONE ? sender : sp_facts_message(v, sender, e->msgid);
    if (message == SP_ROWS_NONE)
        return;
    uint32_t mailbox = advance(v, e, device, e->seq, at);
    if (mailbox == SP_ROWS_NONE)
        return;
    sp_facts_content(v, message, user, e->hash, at);
    sp_facts_claim(v, mailbox, e->seq, message, at);
    struct sp_fact_message *m = sp_facts_message_at(v, message);
    m->bits |= SP_FACT_HANDED;
    if (m->handed_at.line == 0)
        m->handed_at = at;
    note_hand(v, device, mailbox, message, e->seq, at);
}

static void skipped(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                    struct sp_verify_place at)
{
    uint32_t mailbox = advance(v, e, device, e->hi, at);
    if (mailbox == SP_ROWS_NONE)
        return;
    v->sum.skipped += (uint64_t)e->hi - e->seq + 1;
    note_span(v, device,
              (struct sp_fact_span){.mailbox = mailbox, .lo = e->seq, .hi = e->hi, .why = e->code, .at = at});
}

static void kept(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                 struct sp_verify_place at)
{
    const struct sp_fact_device *d = sp_facts_device_at(v, device);
    if (d->has_base && e->seq >= d->next)
        sp_verdict_seq(
            v, SP_VERIFY_PAST_UNSENT, "kept above what was handed",
            &(struct sp_verdict_spot){.device = device, .mailbox = d->mailbox, .seq = e->seq, .at = at});
    keep(v, device, e->seq, at);
}

static void resync(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                   struct sp_verify_place at)
{
    uint32_t user = sp_facts_device_at(v, device)->user;
    uint32_t mailbox = sp_facts_mailbox(v, user, e->epoch, e->epoch == 0 ? ++v->unnamed : 0);
    if (mailbox == SP_ROWS_NONE)
        return;
    struct sp_fact_device *d = sp_facts_device_at(v, device);
    bool is_same = d->mailbox == mailbox;
    uint32_t next = e->seq;
    d->mailbox = mailbox;
    d->has_base = true;
    d->next = (uint64_t)next + 1;
    undo(v, device, is_same ? next : 0, at);
    raise_kept(v, device, next);
}

void sp_devices_take(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                     struct sp_verify_place at)
{
    switch (e->kind) {
    case SP_HISTORY_RUN:
        run(v, e, device, at);
        break;
    case SP_HISTORY_HANDED:
        handed(v, e, device, at);
        break;
    case SP_HISTORY_SKIPPED:
        skipped(v, e, device, at);
        break;
    case SP_HISTORY_KEPT:
        kept(v, e, device, at);
        break;
    default:
        resync(v, e, device, at);
        break;
    }
}
