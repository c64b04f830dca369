/* A violation, put together from rows. */
#include "verdict.h"

#define TOLD_MAX 20

static struct sp_view name_of(const struct sp_verify *v, uint32_t user)
{
    const struct sp_fact_user *u = sp_facts_user_at(v, user);
    return (struct sp_view){u->name, u->len};
}

static void set_mailbox(const struct sp_verify *v, struct sp_verify_violation *out, uint32_t mailbox)
{
    const struct sp_fact_mailbox *b = sp_facts_mailbox_at(v, mailbox);
    out->mailbox = name_of(v, b->user);
    out->epoch = b->key.b;
}

static void say(struct sp_verify *v, const struct sp_verify_violation *out)
{
    uint64_t max = v->cfg.told_max != 0 ? v->cfg.told_max : TOLD_MAX;
    v->sum.violations++;
    if (++v->sum.by_rule[out->rule] <= max && v->cfg.report != NULL)
        v->cfg.report(v->cfg.self, out);
}

void sp_verdict_message(struct sp_verify *v, enum sp_verify_rule rule, const char *text, uint32_t message,
                        struct sp_verify_place at, struct sp_verify_place against)
{
    const struct sp_fact_message *m = sp_facts_message_at(v, message);
    const struct sp_fact_device *d = sp_facts_device_at(v, m->device);
    struct sp_verify_violation out = {.rule = rule,
                                      .text = text,
                                      .user = name_of(v, d->user),
                                      .device = (uint32_t)d->key.b,
                                      .msgid = m->key.b,
                                      .at = at,
                                      .against = against};
    if ((m->bits & SP_FACT_KNOWN) != 0)
        out.mailbox = name_of(v, m->to);
    if (m->slots != SP_ROWS_NONE) {
        const struct sp_fact_slot *s = sp_facts_slot_at(v, m->slots);
        out.seq = (uint32_t)s->key.b;
        set_mailbox(v, &out, (uint32_t)s->key.a);
    }
    say(v, &out);
}

void sp_verdict_seq(struct sp_verify *v, enum sp_verify_rule rule, const char *text,
                    const struct sp_verdict_spot *s)
{
    struct sp_verify_violation out = {
        .rule = rule, .text = text, .seq = s->seq, .at = s->at, .against = s->against};
    if (s->device != SP_ROWS_NONE) {
        const struct sp_fact_device *d = sp_facts_device_at(v, s->device);
        out.user = name_of(v, d->user);
        out.device = (uint32_t)d->key.b;
    }
    if (s->mailbox != SP_ROWS_NONE)
        set_mailbox(v, &out, s->mailbox);
    if (out.user.n == 0)
        out.user = out.mailbox;
    say(v, &out);
}
