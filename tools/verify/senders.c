/* States only rise, ends exclude each other, and a msgid belongs to one message. */
#include "senders.h"

#include "verdict.h"

static void send(struct sp_verify *v, const struct sp_history_event *e, uint32_t device, uint32_t message,
                 struct sp_verify_place at)
{
    uint32_t to = sp_facts_user(v, e->peer);
    if (to == SP_ROWS_NONE)
        return;
    struct sp_fact_message *m = sp_facts_message_at(v, message);
    struct sp_fact_device *d = sp_facts_device_at(v, device);
    bool is_again = (m->bits & SP_FACT_SENT) != 0;
    if (is_again && (m->bits & SP_FACT_LOST) == 0) {
        if (m->to != to || m->hash != e->hash) /* an equal line is the same send, noted again */
            sp_verdict_message(v, SP_VERIFY_ID_REUSED, "its sender gives this msgid to two messages", message,
                               at, m->sent_at);
        return;
    }
    if (is_again) { /* the first one never left its sender, so this is the message that others saw */
        bool is_seen = m->handed_at.line != 0 || m->stored_at.line != 0;
        m->bits &= (uint16_t) ~(SP_FACT_LOST | SP_FACT_OTHER | (is_seen ? 0 : SP_FACT_KNOWN));
        m->sent_at.line = 0;
    }
    if (d->sends.n > 0 && e->msgid <= d->sent_last)
        sp_verdict_message(v, SP_VERIFY_ID_REUSED, "its sender went back to an older msgid", message, at,
                           (struct sp_verify_place){0, 0});
    if (sp_facts_is_before(m->handed_at, at) || sp_facts_is_before(m->stored_at, at))
        sp_verdict_message(v, SP_VERIFY_FOREIGN, "the message is there before it is sent", message, at,
                           m->handed_at.line != 0 ? m->handed_at : m->stored_at);
    if ((m->bits & SP_FACT_KNOWN) != 0 && (m->to != to || (m->hash != 0 && m->hash != e->hash)))
        m->bits |= SP_FACT_OTHER;
    else
        sp_facts_content(v, message, to, e->hash, at);
    m->bits |= SP_FACT_SENT;
    m->sent_at = at;
    m->want = (uint8_t)(e->state != 0 ? e->state : SP_STATE_DELIVERED);
    d->sent_last = e->msgid > d->sent_last ? e->msgid : d->sent_last;
    (void)sp_facts_push(v, &d->sends, message);
}

static bool is_end(int state)
{
    return state == SP_STATE_DELIVERED || state == SP_STATE_READ || state >= SP_STATE_ENDED;
}

static void told(struct sp_verify *v, const struct sp_history_event *e, uint32_t message,
                 struct sp_verify_place at)
{
    struct sp_fact_message *m = sp_facts_message_at(v, message);
    uint8_t state = (uint8_t)e->state;
    uint8_t end = state == SP_STATE_READ ? SP_STATE_DELIVERED : state;
    if ((m->bits & SP_FACT_FAILED) != 0 && m->told == 0)
        sp_verdict_message(v, SP_VERIFY_ABORTED_READ, "told safe after it had failed", message, at,
                           m->failed_at);
    if (is_end(state) && m->end != 0 && m->end != end)
        sp_verdict_message(v, SP_VERIFY_TWO_ENDS, "told two ends", message, at, m->told_at);
    else if (state < m->told && !e->is_repeat)
        sp_verdict_message(v, SP_VERIFY_RECEIPT_DOWN, "told a lower state than before", message, at,
                           m->told_at);
    if (e->seq != 0 && m->seq != 0 && e->seq != m->seq)
        sp_verdict_message(v, SP_VERIFY_DUPLICATE_SEQ, "told two seqs", message, at, m->told_at);
    if (e->seq != 0)
        m->seq = e->seq;
    if (m->safe_at.line == 0)
        m->safe_at = at;
    if (is_end(state) && m->end == 0)
        m->end = end;
    if (state >= SP_STATE_ENDED)
        m->bits |= SP_FACT_ENDED;
    if (state > m->told) {
        m->told = state;
        m->told_at = at;
    }
}

static void failed(struct sp_verify *v, const struct sp_history_event *e, uint32_t message,
                   struct sp_verify_place at)
{
    struct sp_fact_message *m = sp_facts_message_at(v, message);
    if (e->code == SP_HISTORY_CODE_DUP_EXPIRED) {
        m->bits |= SP_FACT_GAVEUP;
        return;
    }
    if (e->code == SP_HISTORY_CODE_ID_REUSED)
        m->bits |= SP_FACT_REUSED; /* what is stored under this msgid is another message */
    if (m->told != 0 && e->code != SP_HISTORY_CODE_ID_REUSED)
        sp_verdict_message(v, SP_VERIFY_ABORTED_READ, "failed after it was told safe", message, at,
                           m->safe_at);
    if ((m->bits & SP_FACT_FAILED) == 0)
        m->failed_at = at;
    m->bits |= SP_FACT_FAILED;
}

void sp_senders_take(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                     struct sp_verify_place at)
{
    uint32_t message = sp_facts_message(v, device, e->msgid);
    if (message == SP_ROWS_NONE)
        return;
    switch (e->kind) {
    case SP_HISTORY_SEND:
        send(v, e, device, message, at);
        break;
    case SP_HISTORY_TOLD:
        told(v, e, message, at);
        break;
    case SP_HISTORY_FAILED:
        failed(v, e, message, at);
        break;
    default:
        sp_facts_message_at(v, message)->bits |= SP_FACT_GAVEUP;
        break;
    }
}

void sp_senders_run(struct sp_verify *v, const struct sp_history_event *e, uint32_t device)
{
    struct sp_fact_device *d = sp_facts_device_at(v, device);
    bool is_other = d->install != 0 && d->install != e->install;
    while (!is_other && d->sends.n > 0) {
        struct sp_fact_message *m = sp_facts_message_at(v, d->sends.of[d->sends.n - 1]);
        if (m->key.b <= e->msgid)
            return;
        m->bits |= SP_FACT_LOST;
        d->sends.n--;
        d->sent_last = d->sends.n == 0 ? 0 : sp_facts_message_at(v, d->sends.of[d->sends.n - 1])->key.b;
    }
}
