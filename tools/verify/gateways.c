/* What a gateway says is durable agrees with itself: one identity, one seq; cursors rise with the commits. */
#include "gateways.h"

#include "verdict.h"

/* Its seq, if the event says one; the epoch may be missing.  False: no memory. */
static bool place(struct sp_verify *v, const struct sp_history_event *e, uint32_t to, uint32_t message,
                  struct sp_verify_place at)
{
    if (e->seq != 0 && e->epoch == 0 && sp_facts_user_at(v, to)->stored_hi < e->seq)
        sp_facts_user_at(v, to)->stored_hi = e->seq;
    if (e->seq == 0 || e->epoch == 0)
        return true;
    uint32_t mailbox = sp_facts_mailbox(v, to, e->epoch, 0);
    if (mailbox == SP_ROWS_NONE)
        return false;
    sp_facts_claim(v, mailbox, e->seq, message, at);
    struct sp_fact_mailbox *b = sp_facts_mailbox_at(v, mailbox);
    if (b->stored_hi < e->seq)
        b->stored_hi = e->seq;
    return true;
}

static void stored(struct sp_verify *v, const struct sp_history_event *e, uint32_t message,
                   struct sp_verify_place at)
{
    uint32_t to = sp_facts_user(v, e->peer);
    if (to == SP_ROWS_NONE)
        return;
    sp_facts_content(v, message, to, e->hash, at);
    if (!place(v, e, to, message, at))
        return;
    struct sp_fact_message *m = sp_facts_message_at(v, message);
    if (!e->is_repeat && (m->bits & SP_FACT_STORED) == 0 && sp_facts_is_before(m->safe_at, at))
        sp_verdict_message(v, SP_VERIFY_FALSE_ACCEPT, "told safe before it was stored", message, at,
                           m->safe_at);
    v->sum.stored += (m->bits & SP_FACT_STORED) == 0;
    if (m->stored_at.line == 0)
        m->stored_at = at;
    m->bits |= SP_FACT_STORED;
    m->starts = v->starts;
}

static void refused(struct sp_verify *v, const struct sp_history_event *e, uint32_t message,
                    struct sp_verify_place at)
{
    struct sp_fact_message *m = sp_facts_message_at(v, message);
    bool may_be_stored = e->code == SP_HISTORY_CODE_DUP_EXPIRED || e->code == SP_HISTORY_CODE_ID_REUSED;
    v->sum.refused += (m->bits & SP_FACT_REFUSED) == 0;
    m->bits |= SP_FACT_REFUSED;
    if (!may_be_stored && (m->bits & SP_FACT_STORED) != 0 && m->starts == v->starts &&
        sp_facts_is_before(m->stored_at, at))
        sp_verdict_message(v, SP_VERIFY_CHANGED, "refused although it is stored", message, at, m->stored_at);
}

/* Completions may pass each other, commits do not. */
static void confirmed(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                      struct sp_verify_place at)
{
    uint32_t mailbox = sp_facts_mailbox(v, sp_facts_device_at(v, device)->user, e->epoch, 0);
    uint32_t view = mailbox == SP_ROWS_NONE ? mailbox : sp_facts_view(v, device, mailbox);
    if (view == SP_ROWS_NONE)
        return;
    struct sp_fact_view *w = sp_facts_view_at(v, view);
    struct sp_fact_mailbox *b = sp_facts_mailbox_at(v, mailbox);
    v->sum.confirmed++;
    if (w->confirmed_hi < e->seq) {
        w->confirmed_hi = e->seq;
        w->confirmed_at = at;
    }
    if (e->hi == 0 || e->commit == 0)
        return;
    bool is_same_start = b->commit_start == v->starts && b->confirmed_at.file == at.file;
    bool is_older = is_same_start && e->commit < b->commit;
    if (is_same_start && e->commit != b->commit && (is_older ? e->hi > b->confirmed : e->hi < b->confirmed))
        sp_verdict_seq(v, SP_VERIFY_CURSOR_DOWN, "a later commit has a lower cursor",
                       &(struct sp_verdict_spot){.device = SP_ROWS_NONE,
                                                 .mailbox = mailbox,
                                                 .seq = e->hi,
                                                 .at = at,
                                                 .against = b->confirmed_at});
    if (is_older)
        return;
    b->commit = e->commit;
    b->commit_start = v->starts;
    b->confirmed = e->hi;
    b->confirmed_at = at;
}

static void ended(struct sp_verify *v, const struct sp_history_event *e, uint32_t message,
                  struct sp_verify_place at)
{
    uint32_t to = sp_facts_user(v, e->peer);
    if (to == SP_ROWS_NONE)
        return;
    sp_facts_content(v, message, to, 0, at);
    if (!place(v, e, to, message, at))
        return;
    struct sp_fact_message *m = sp_facts_message_at(v, message);
    m->bits |= SP_FACT_ENDED | SP_FACT_STORED;
    if (m->stored_at.line == 0)
        m->stored_at = at;
}

static void head(struct sp_verify *v, const struct sp_history_event *e, struct sp_verify_place at)
{
    uint32_t user = sp_facts_user(v, e->user);
    uint32_t mailbox = user == SP_ROWS_NONE ? user : sp_facts_mailbox(v, user, e->epoch, 0);
    if (mailbox == SP_ROWS_NONE)
        return;
    struct sp_fact_mailbox *b = sp_facts_mailbox_at(v, mailbox);
    if (e->seq > e->hi)
        sp_verdict_seq(
            v, SP_VERIFY_PAST_UNSENT, "confirmed above the highest seq",
            &(struct sp_verdict_spot){.device = SP_ROWS_NONE, .mailbox = mailbox, .seq = e->seq, .at = at});
    if (b->head_at.file == at.file && e->hi < b->head_hi)
        sp_verdict_seq(
            v, SP_VERIFY_EPOCH, "the highest seq went down within an epoch",
            &(struct sp_verdict_spot){
                .device = SP_ROWS_NONE, .mailbox = mailbox, .seq = e->hi, .at = at, .against = b->head_at});
    if (b->head_at.file == at.file && e->seq < b->head_confirmed)
        sp_verdict_seq(
            v, SP_VERIFY_CURSOR_DOWN, "the confirmed cursor went down",
            &(struct sp_verdict_spot){
                .device = SP_ROWS_NONE, .mailbox = mailbox, .seq = e->seq, .at = at, .against = b->head_at});
    if (b->head_hi < e->hi)
        b->head_hi = e->hi;
    if (b->head_confirmed < e->seq)
        b->head_confirmed = e->seq;
    b->head_at = at;
}

static void about_message(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                          struct sp_verify_place at)
{
    uint32_t message = sp_facts_message(v, device, e->msgid);
    if (message == SP_ROWS_NONE)
        return;
    if (e->kind == SP_HISTORY_STORED)
        stored(v, e, message, at);
    else if (e->kind == SP_HISTORY_REFUSED)
        refused(v, e, message, at);
    else
        ended(v, e, message, at);
}

void sp_gateways_take(struct sp_verify *v, const struct sp_history_event *e, struct sp_verify_place at)
{
    uint32_t device;
    v->has_gateway |= e->kind != SP_HISTORY_HEAD;
    switch (e->kind) {
    case SP_HISTORY_START:
        v->starts++;
        v->sum.starts++;
        v->was_killed |= v->is_running;
        v->is_running = true;
        break;
    case SP_HISTORY_HEAD:
        head(v, e, at);
        break;
    case SP_HISTORY_STOP:
        v->is_running = false;
        break;
    default:
        device = sp_facts_device(v, e->user, e->device);
        if (device == SP_ROWS_NONE)
            break;
        if (e->kind == SP_HISTORY_CONFIRMED)
            confirmed(v, e, device, at);
        else
            about_message(v, e, device, at);
        break;
    }
}
