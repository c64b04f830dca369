/* Slots and spans are brought in order once, by mailbox and seq; messages are looked at one by one. */
#include "whole.h"

#include "verdict.h"

#include <stdlib.h>

static const struct sp_verify_place nowhere;

/* ---- order ---- */

/* A slot with its key at hand, for the sort. */
struct item {
    uint32_t mailbox, seq, place;
};

static int by_seq(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->mailbox != y->mailbox)
        return x->mailbox < y->mailbox ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Most logs have the seqs of a mailbox in their order already. */
static void sort_mailbox(struct item *items, uint32_t n)
{
    bool is_sorted = true;
    for (uint32_t i = 1; i < n && is_sorted; i++)
        is_sorted = items[i - 1].seq < items[i].seq;
    if (!is_sorted)
        qsort(items, n, sizeof *items, by_seq);
}

/* Puts the slots of each mailbox together.  `ends` has a 0 for each mailbox, and then where its slots end. */
static void gather(const struct sp_verify *v, struct item *items, uint32_t *ends)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < v->slots.n; i++)
        ends[sp_facts_slot_at(v, i)->key.a]++;
    for (uint32_t i = 0; i < v->mailboxes.n; i++) {
        uint32_t n = ends[i];
        ends[i] = at;
        at += n;
    }
    for (uint32_t i = 0; i < v->slots.n; i++) {
        const struct sp_fact_slot *s = sp_facts_slot_at(v, i);
        items[ends[s->key.a]++] = (struct item){(uint32_t)s->key.a, (uint32_t)s->key.b, i};
    }
}

/* The slots by mailbox and seq.  The caller frees them.  NULL: no memory. */
static struct item *sorted_slots(struct sp_verify *v)
{
    struct item *items = calloc((size_t)v->slots.n + 1, sizeof *items);
    uint32_t *ends = calloc((size_t)v->mailboxes.n + 1, sizeof *ends);
    if (items != NULL && ends != NULL) {
        gather(v, items, ends);
        uint32_t from = 0;
        for (uint32_t i = 0; i < v->mailboxes.n; i++) {
            sort_mailbox(items + from, ends[i] - from);
            from = ends[i];
        }
    } else {
        v->is_full = true;
        free(items);
        items = NULL;
    }
    free(ends);
    return items;
}

/* Messages of one device stand in one mailbox in the order of their msgids (G11).  What no log has as sent is
 * left out: its sender may not have asked for an order.  So is what was refused once: that let its followers
 * go, and when the refusal was lost with the gateway it comes again and may stand behind them. */
static void judge_order(struct sp_verify *v, const struct item *items)
{
    for (uint32_t i = 0; i < v->slots.n; i++) {
        uint32_t message = sp_facts_slot_at(v, items[i].place)->message;
        const struct sp_fact_message *m = sp_facts_message_at(v, message);
        struct sp_fact_device *d = sp_facts_device_at(v, m->device);
        if ((m->bits & (SP_FACT_SENT | SP_FACT_LOST | SP_FACT_GAVEUP | SP_FACT_REFUSED)) != SP_FACT_SENT)
            continue;
        bool is_same = d->order_mailbox == items[i].mailbox;
        if (is_same && m->key.b < d->order_last)
            sp_verdict_message(v, SP_VERIFY_SENDER_ORDER, "it stands behind a later message of its sender",
                               message, sp_facts_slot_at(v, items[i].place)->at,
                               sp_facts_message_at(v, d->order_message)->sent_at);
        if (!is_same || m->key.b > d->order_last) {
            d->order_mailbox = items[i].mailbox;
            d->order_last = m->key.b;
            d->order_message = message;
        }
    }
}

/* ---- skipped ranges ---- */

static int by_lo(const void *a, const void *b)
{
    const struct sp_fact_span *x = a, *y = b;
    if (x->mailbox != y->mailbox)
        return x->mailbox < y->mailbox ? -1 : 1;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* First item at or above (mailbox, seq). */
static uint32_t first_from(const struct item *items, uint32_t n, uint32_t mailbox, uint32_t seq)
{
    const struct item want = {mailbox, seq, 0};
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (by_seq(&items[mid], &want) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The seqs lo..hi of a span that no earlier span named: they do not come, whatever message they are. */
static void skip_slots(struct sp_verify *v, const struct item *items, const struct sp_fact_span *s,
                       uint32_t lo)
{
    struct sp_fact_mailbox *b = sp_facts_mailbox_at(v, s->mailbox);
    uint32_t i = first_from(items, v->slots.n, s->mailbox, lo);
    b->skipped_n += s->hi - lo + 1;
    for (; i < v->slots.n && items[i].mailbox == s->mailbox && items[i].seq <= s->hi; i++) {
        struct sp_fact_slot *slot = sp_facts_slot_at(v, items[i].place);
        struct sp_fact_message *m = sp_facts_message_at(v, slot->message);
        slot->is_skipped = true;
        b->placed_n++;
        m->bits |= SP_FACT_ENDED;
        if (s->why < SP_HISTORY_WHY_CORRUPT && m->end == SP_STATE_DELIVERED)
            sp_verdict_message(v, SP_VERIFY_TWO_ENDS,
                               "its sender is told DELIVERED, its recipient that it ended", slot->message,
                               s->at, m->told_at);
    }
}

static void judge_spans(struct sp_verify *v, const struct item *items)
{
    uint32_t mailbox = SP_ROWS_NONE;
    uint64_t next = 0; /* the first seq of the mailbox that no span has named */
    if (v->spans.n > 0)
        qsort(v->spans.mem, v->spans.n, v->spans.row_len, by_lo);
    for (uint32_t i = 0; i < v->spans.n; i++) {
        const struct sp_fact_span *s = sp_facts_span_at(v, i);
        if (s->why == SP_HISTORY_WHY_CONFIRMED) {
            if (v->cfg.complete && s->hi > sp_facts_mailbox_at(v, s->mailbox)->kept_hi)
                sp_verdict_seq(v, SP_VERIFY_FALSE_CONFIRMED, "skipped as confirmed, and nobody has kept it",
                               &(struct sp_verdict_spot){
                                   .device = s->device, .mailbox = s->mailbox, .seq = s->hi, .at = s->at});
            continue;
        }
        if (s->mailbox != mailbox)
            next = 0;
        mailbox = s->mailbox;
        if (s->hi < next)
            continue;
        skip_slots(v, items, s, s->lo > next ? s->lo : (uint32_t)next);
        next = (uint64_t)s->hi + 1;
    }
}

/* ---- messages ---- */

static bool is_safe(const struct sp_fact_message *m)
{
    return m->told != 0;
}

static void count(struct sp_verify *v, const struct sp_fact_message *m)
{
    struct sp_verify_summary *sum = &v->sum;
    if ((m->bits & SP_FACT_SENT) == 0)
        return;
    if ((m->bits & SP_FACT_LOST) != 0) {
        sum->lost++;
        return;
    }
    sum->sent++;
    if (is_safe(m))
        sum->ok++;
    else if ((m->bits & SP_FACT_FAILED) != 0)
        sum->failed++;
    else
        sum->unknown++;
    sum->ended += is_safe(m) && (m->bits & SP_FACT_ENDED) != 0;
}

/* Whether the logs follow this user; with `strangers` not every user has one. */
static bool is_followed(const struct sp_verify *v, uint32_t user)
{
    return !v->cfg.strangers || sp_facts_user_at(v, user)->has_run;
}

static void judge_failed(struct sp_verify *v, uint32_t message, const struct sp_fact_message *m)
{
    bool is_there = (m->bits & (SP_FACT_HANDED | SP_FACT_STORED)) != 0;
    struct sp_verify_place where = m->handed_at.line != 0 ? m->handed_at : m->stored_at;
    if ((m->bits & SP_FACT_LOST) != 0 && (is_there || is_safe(m)))
        sp_verdict_message(v, SP_VERIFY_ABORTED_READ, "it left its sender before it was durable there",
                           message, is_there ? where : m->safe_at, m->sent_at);
    if ((m->bits & (SP_FACT_FAILED | SP_FACT_REUSED)) == SP_FACT_FAILED && is_there)
        sp_verdict_message(v, SP_VERIFY_ABORTED_READ,
                           m->handed_at.line != 0 ? "failed, and handed to its recipient"
                                                  : "failed, and stored",
                           message, where, m->failed_at);
    if (v->cfg.complete && is_there && (m->bits & SP_FACT_SENT) == 0 &&
        is_followed(v, sp_facts_device_at(v, m->device)->user))
        sp_verdict_message(v, SP_VERIFY_FOREIGN, "nobody has sent it", message, where, nowhere);
}

/* A client that never reused a msgid was told that it did. */
static void judge_reused(struct sp_verify *v, uint32_t message, const struct sp_fact_message *m)
{
    if ((m->bits & SP_FACT_REUSED) != 0 && (m->bits & SP_FACT_STORED) != 0 && (m->bits & SP_FACT_SENT) != 0 &&
        m->stored_at.line != 0)
        sp_verdict_message(v, SP_VERIFY_CHANGED, "told ID_REUSED although it is stored with this body",
                           message, m->failed_at, m->stored_at);
}

static void judge_receipt(struct sp_verify *v, uint32_t message, const struct sp_fact_message *m)
{
    if (m->end != SP_STATE_DELIVERED || (m->bits & SP_FACT_KNOWN) == 0)
        return;
    if (m->kept_at.line == 0 && v->cfg.complete && is_followed(v, m->to))
        sp_verdict_message(v, SP_VERIFY_FALSE_RECEIPT, "told DELIVERED, and no device has kept it", message,
                           m->told_at, m->handed_at);
    else if (m->holders <= 1 && sp_facts_is_before(m->told_at, m->kept_at))
        sp_verdict_message(v, SP_VERIFY_FALSE_RECEIPT, "told DELIVERED before a device has kept it", message,
                           m->told_at, m->kept_at);
}

static void judge_healed(struct sp_verify *v, uint32_t message, const struct sp_fact_message *m)
{
    unsigned bits = m->bits;
    if ((bits & SP_FACT_SENT) == 0 || (bits & SP_FACT_LOST) != 0)
        return;
    if (!is_safe(m) && (bits & SP_FACT_FAILED) == 0)
        sp_verdict_message(v, SP_VERIFY_UNHEALED, "its outcome is unknown to its sender", message, m->sent_at,
                           nowhere);
    else if (is_safe(m) && m->told < m->want)
        sp_verdict_message(v, SP_VERIFY_UNHEALED, "its sender does not know its end", message, m->sent_at,
                           m->told_at);
    else if (is_safe(m) && (bits & (SP_FACT_HANDED | SP_FACT_KEPT | SP_FACT_ENDED)) == SP_FACT_HANDED)
        sp_verdict_message(v, SP_VERIFY_UNHEALED, "its recipient has it and never kept it", message,
                           m->handed_at, m->told_at);
}

/* Seqs of this mailbox that do not come and whose message no log knows: each may be one that is missed. */
static bool is_excused(struct sp_verify *v, const struct sp_fact_message *m)
{
    for (uint32_t i = 0; m->slots == SP_ROWS_NONE && i < v->mailboxes.n; i++) {
        struct sp_fact_mailbox *b = sp_facts_mailbox_at(v, i);
        if (b->user == m->to && b->skipped_n > b->placed_n) {
            b->placed_n++;
            return true;
        }
    }
    return false;
}

/* Told safe, never handed, never ended.  A restore may take away what is newer than the backup (G15). */
static void judge_lost(struct sp_verify *v, uint32_t message, const struct sp_fact_message *m)
{
    const unsigned seen = SP_FACT_HANDED | SP_FACT_ENDED;
    if (!is_safe(m) || (m->bits & seen) != 0 || (m->bits & SP_FACT_KNOWN) == 0)
        return;
    const struct sp_fact_user *to = sp_facts_user_at(v, m->to);
    if (to->epochs > 1 || !to->has_run)
        return;
    bool is_passed = false;
    if (m->slots != SP_ROWS_NONE) {
        const struct sp_fact_slot *s = sp_facts_slot_at(v, m->slots);
        is_passed = v->cfg.complete && s->key.b <= sp_facts_mailbox_at(v, (uint32_t)s->key.a)->kept_hi;
    }
    if ((is_passed || v->cfg.healed) && !is_excused(v, m))
        sp_verdict_message(v, SP_VERIFY_LOST_WRITE,
                           is_passed ? "told safe, and its recipient's cursor went past it"
                                     : "told safe, and its recipient never got it",
                           message, m->safe_at, m->stored_at);
}

static void judge_accept(struct sp_verify *v, uint32_t message, const struct sp_fact_message *m)
{
    if (v->cfg.complete && v->has_gateway && is_safe(m) && (m->bits & SP_FACT_STORED) == 0)
        sp_verdict_message(v, SP_VERIFY_FALSE_ACCEPT, "told safe, and no gateway has stored it", message,
                           m->safe_at, m->sent_at);
}

/* Others saw the message before its sender's history was read, and saw another one. */
static void judge_content(struct sp_verify *v, uint32_t message, const struct sp_fact_message *m)
{
    if ((m->bits & SP_FACT_OTHER) != 0 && (m->bits & SP_FACT_LOST) == 0)
        sp_verdict_message(v, SP_VERIFY_CHANGED, "sent with another body or recipient", message, m->sent_at,
                           m->stored_at.line != 0 ? m->stored_at : m->handed_at);
}

/* The seq that its sender was told is one that the message has. */
static void judge_seq(struct sp_verify *v, uint32_t message, const struct sp_fact_message *m)
{
    uint32_t slot = m->slots;
    if (m->seq == 0 || slot == SP_ROWS_NONE)
        return;
    while (slot != SP_ROWS_NONE && sp_facts_slot_at(v, slot)->key.b != m->seq)
        slot = sp_facts_slot_at(v, slot)->next;
    if (slot == SP_ROWS_NONE)
        sp_verdict_message(v, SP_VERIFY_OFFSET, "its sender was told another seq", message, m->told_at,
                           sp_facts_slot_at(v, m->slots)->at);
}

/* ---- cursors ---- */

static void judge_views(struct sp_verify *v)
{
    for (uint32_t i = 0; v->cfg.complete && i < v->views.n; i++) {
        const struct sp_fact_view *w = sp_facts_view_at(v, i);
        const struct sp_fact_device *d = sp_facts_device_at(v, (uint32_t)w->key.a);
        if (d->runs > 0 && w->confirmed_hi > w->kept_hi)
            sp_verdict_seq(v, SP_VERIFY_PAST_UNSENT, "confirmed above what the device has kept",
                           &(struct sp_verdict_spot){.device = (uint32_t)w->key.a,
                                                     .mailbox = (uint32_t)w->key.b,
                                                     .seq = w->confirmed_hi,
                                                     .at = w->confirmed_at});
    }
}

static void judge_mailboxes(struct sp_verify *v)
{
    for (uint32_t i = 0; i < v->mailboxes.n; i++) {
        const struct sp_fact_mailbox *b = sp_facts_mailbox_at(v, i);
        uint32_t top = b->stored_hi > b->head_hi ? b->stored_hi : b->head_hi;
        uint32_t other = sp_facts_user_at(v, b->user)->stored_hi; /* of events that do not say the epoch */
        top = top > other ? top : other;
        /* Killed between a commit and its line, a gateway leaves messages that its history does not know. */
        bool is_judged =
            v->cfg.complete && v->cfg.healed && v->has_gateway && !v->was_killed && !v->cfg.strangers;
        v->sum.epochs += b->key.b != 0 || b->key.a >> 32 != 0;
        if (is_judged && b->key.b != 0 && b->handed_hi > top)
            sp_verdict_seq(
                v, SP_VERIFY_EPOCH, "handed above what the epoch has",
                &(struct sp_verdict_spot){
                    .device = SP_ROWS_NONE, .mailbox = i, .seq = b->handed_hi, .at = b->handed_at});
    }
}

void sp_whole_judge(struct sp_verify *v)
{
    struct item *items = sorted_slots(v);
    if (items == NULL)
        return;
    judge_order(v, items);
    judge_spans(v, items);
    free(items);
    for (uint32_t i = 0; i < v->messages.n; i++) {
        const struct sp_fact_message *m = sp_facts_message_at(v, i);
        count(v, m);
        judge_failed(v, i, m);
        judge_reused(v, i, m);
        judge_receipt(v, i, m);
        judge_accept(v, i, m);
        judge_content(v, i, m);
        judge_seq(v, i, m);
        judge_lost(v, i, m);
        if (v->cfg.healed)
            judge_healed(v, i, m);
    }
    judge_views(v);
    judge_mailboxes(v);
}
