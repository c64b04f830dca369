/* Events to the file that knows their kind, then the whole; and one row per rule: its name, its guarantee,
 * and what it needs. */
#include "verify.h"

#include "devices.h"
#include "gateways.h"
#include "senders.h"
#include "whole.h"

#include <sampan/err.h>

#include <stdlib.h>

enum need { NEED_NOTHING, NEED_COMPLETE, NEED_GATEWAY, NEED_HEALED, NEED_END };

static const struct {
    const char *name, *guarantee;
    enum need need;
} rules[SP_VERIFY_RULES] = {
    [SP_VERIFY_LOST_WRITE] = {"lost write", "G1", NEED_END},
    [SP_VERIFY_FALSE_ACCEPT] = {"false accept", "G1", NEED_GATEWAY},
    [SP_VERIFY_ABORTED_READ] = {"aborted read", "G2", NEED_NOTHING},
    [SP_VERIFY_FOREIGN] = {"foreign message", "G2", NEED_COMPLETE},
    [SP_VERIFY_UNHEALED] = {"unhealed", "G3", NEED_HEALED},
    [SP_VERIFY_CHANGED] = {"changed message", "G4", NEED_NOTHING},
    [SP_VERIFY_ID_REUSED] = {"msgid reused", "G4", NEED_NOTHING},
    [SP_VERIFY_RECEIPT_DOWN] = {"receipt went down", "G5", NEED_NOTHING},
    [SP_VERIFY_TWO_ENDS] = {"two ends", "G5", NEED_NOTHING},
    [SP_VERIFY_FALSE_RECEIPT] = {"false receipt", "G6", NEED_COMPLETE},
    [SP_VERIFY_DUPLICATE_SEQ] = {"duplicate seq", "G7", NEED_NOTHING},
    [SP_VERIFY_DUPLICATE] = {"duplicate", "G9", NEED_NOTHING},
    [SP_VERIFY_OFFSET] = {"inconsistent offset", "G10", NEED_NOTHING},
    [SP_VERIFY_OUT_OF_ORDER] = {"out of order", "G10", NEED_NOTHING},
    [SP_VERIFY_SENDER_ORDER] = {"sender order", "G11", NEED_NOTHING},
    [SP_VERIFY_SKIPPED_POLL] = {"skipped poll", "G12", NEED_NOTHING},
    [SP_VERIFY_PAST_UNSENT] = {"cursor past unsent", "G13", NEED_NOTHING},
    [SP_VERIFY_CURSOR_DOWN] = {"cursor down", "G13", NEED_NOTHING},
    [SP_VERIFY_FALSE_CONFIRMED] = {"false confirmed", "G14", NEED_COMPLETE},
    [SP_VERIFY_EPOCH] = {"wrong epoch", "G15", NEED_NOTHING},
};

static const char *const needs[] = {
    [NEED_NOTHING] = "",
    [NEED_COMPLETE] = "needs --complete",
    [NEED_GATEWAY] = "needs --complete and the gateway's log",
    [NEED_HEALED] = "needs --healed",
    [NEED_END] = "needs --healed, or --complete and the gateway's log",
};

const char *sp_verify_rule_name(enum sp_verify_rule rule)
{
    return rules[rule].name;
}

const char *sp_verify_rule_guarantee(enum sp_verify_rule rule)
{
    return rules[rule].guarantee;
}

const char *sp_verify_rule_needs(enum sp_verify_rule rule)
{
    return needs[rules[rule].need];
}

/* Which rules these logs and options could show. */
static void set_scope(struct sp_verify *v)
{
    bool is_whole = v->cfg.complete && v->has_gateway;
    const bool is_met[] = {
        [NEED_NOTHING] = true,         [NEED_COMPLETE] = v->cfg.complete,      [NEED_GATEWAY] = is_whole,
        [NEED_HEALED] = v->cfg.healed, [NEED_END] = v->cfg.healed || is_whole,
    };
    for (int i = 0; i < SP_VERIFY_RULES; i++)
        v->sum.is_judged[i] = is_met[rules[i].need];
}

int sp_verify_create(struct sp_verify **out, const struct sp_verify_config *cfg)
{
    struct sp_verify *v = calloc(1, sizeof *v);
    if (v == NULL)
        return SP_EFULL;
    v->cfg = *cfg;
    sp_rows_init(&v->users, sizeof(struct sp_fact_user));
    sp_rows_init(&v->devices, sizeof(struct sp_fact_device));
    sp_rows_init(&v->mailboxes, sizeof(struct sp_fact_mailbox));
    sp_rows_init(&v->messages, sizeof(struct sp_fact_message));
    sp_rows_init(&v->slots, sizeof(struct sp_fact_slot));
    sp_rows_init(&v->hands, sizeof(struct sp_fact_hand));
    sp_rows_init(&v->views, sizeof(struct sp_fact_view));
    sp_rows_init(&v->spans, sizeof(struct sp_fact_span));
    *out = v;
    return 0;
}

void sp_verify_destroy(struct sp_verify **v)
{
    if (*v == NULL)
        return;
    for (uint32_t i = 0; i < (*v)->devices.n; i++) {
        struct sp_fact_device *d = sp_facts_device_at(*v, i);
        free(d->hands.of);
        free(d->sends.of);
    }
    struct sp_rows *tables[] = {&(*v)->users, &(*v)->devices, &(*v)->mailboxes, &(*v)->messages,
                                &(*v)->slots, &(*v)->hands,   &(*v)->views,     &(*v)->spans};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        sp_rows_wipe(tables[i]);
    free(*v);
    *v = NULL;
}

static bool is_name(struct sp_view name)
{
    return name.p != NULL && name.n >= 1 && name.n <= SP_USER_MAX;
}

static bool is_good(const struct sp_verify *v, const struct sp_history_event *e, struct sp_verify_place at)
{
    bool is_in_order = at.file != v->last.file || at.line > v->last.line;
    if (at.file >= SP_VERIFY_FILES_MAX || at.line == 0 || !is_in_order)
        return false;
    switch (e->kind) {
    case SP_HISTORY_START:
    case SP_HISTORY_STOP:
        return true;
    case SP_HISTORY_SEND:
    case SP_HISTORY_STORED:
    case SP_HISTORY_ENDED:
        return is_name(e->user) && is_name(e->peer) && e->msgid != 0;
    case SP_HISTORY_HANDED:
        return is_name(e->user) && is_name(e->peer) && e->msgid != 0 && e->seq != 0;
    case SP_HISTORY_TOLD:
        return is_name(e->user) && e->msgid != 0 && e->state >= 1 && e->state <= UINT8_MAX;
    case SP_HISTORY_FAILED:
    case SP_HISTORY_REFUSED:
    case SP_HISTORY_GAVEUP:
        return is_name(e->user) && e->msgid != 0;
    case SP_HISTORY_SKIPPED:
        return is_name(e->user) && e->seq != 0 && e->hi >= e->seq;
    case SP_HISTORY_RUN:
    case SP_HISTORY_KEPT:
    case SP_HISTORY_RESYNC:
    case SP_HISTORY_END:
    case SP_HISTORY_CONFIRMED:
    case SP_HISTORY_HEAD:
        return is_name(e->user);
    default:
        return false;
    }
}

static void take(struct sp_verify *v, const struct sp_history_event *e, struct sp_verify_place at)
{
    uint32_t device;
    switch (e->kind) {
    case SP_HISTORY_START:
    case SP_HISTORY_STORED:
    case SP_HISTORY_REFUSED:
    case SP_HISTORY_CONFIRMED:
    case SP_HISTORY_ENDED:
    case SP_HISTORY_HEAD:
    case SP_HISTORY_STOP:
        sp_gateways_take(v, e, at);
        return;
    case SP_HISTORY_END:
        return;
    default:
        break;
    }
    device = sp_facts_device(v, e->user, e->device);
    if (device == SP_ROWS_NONE)
        return;
    if (e->kind == SP_HISTORY_SEND || e->kind == SP_HISTORY_TOLD || e->kind == SP_HISTORY_FAILED ||
        e->kind == SP_HISTORY_GAVEUP)
        sp_senders_take(v, e, device, at);
    else
        sp_devices_take(v, e, device, at);
}

int sp_verify_add(struct sp_verify *v, const struct sp_history_event *e, struct sp_verify_place at)
{
    if (!is_good(v, e, at))
        return SP_EINVAL;
    v->last = at;
    v->sum.events++;
    take(v, e, at);
    return v->is_full ? SP_EFULL : 0;
}

int sp_verify_finish(struct sp_verify *v, struct sp_verify_summary *out)
{
    sp_whole_judge(v);
    set_scope(v);
    v->sum.users = v->users.n;
    v->sum.devices = v->devices.n;
    *out = v->sum;
    return v->is_full ? SP_EFULL : 0;
}
