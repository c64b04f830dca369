/* Live sending, session by session. */
#include "svc_notify.h"

#include "core.h"

/* A session that has everything below, is not behind with confirming, and whose link has room. */
static bool may_follow(const struct sp_session *s, uint32_t seq)
{
    const struct sp_account *a = s->device->account;
    if (!s->is_bound || s->is_tipped || s->tips_only || s->tip != 0)
        return false;
    if (s->sent + 1 != seq || s->sent - (a->confirmed < s->sent ? a->confirmed : s->sent) >= s->inbox)
        return false;
    return sp_session_room(s) > 0;
}

static bool follow(struct sp_gateway *g, struct sp_session *s, const struct sp_frame *f, sp_time now)
{
    uint32_t seq = f->u.msg_n.seq.v;
    if (!may_follow(s, seq) || sp_carry_add(&s->carry, seq) != 0)
        return false;
    if (!sp_session_send(g, s, f, SP_SESSION_REF_MSG_N | seq, now)) {
        sp_carry_remove(&s->carry, seq);
        return false;
    }
    s->sent = seq;
    if (s->high < seq)
        s->high = seq;
    g->stats.notices_sent++;
    return true;
}

static bool wants_news(const struct sp_session *s, uint32_t seq)
{
    return s != NULL && (s->rights & SP_RIGHT_RECEIVE) != 0 && !(s->is_bound && seq <= s->sent);
}

static void tip(struct sp_gateway *g, struct sp_session *s, uint32_t seq, sp_time now)
{
    if (s->tip < seq)
        s->tip = seq;
    sp_svc_notify_flush(g, s, now);
}

void sp_svc_notify_news(struct sp_gateway *g, struct sp_account *a, uint32_t seq, sp_time now)
{
    const struct sp_node *node;
    SP_LIST_FOREACH (node, &a->devices) {
        struct sp_session *s = SP_LIST_ITEM(node, struct sp_device, node)->session;
        if (wants_news(s, seq))
            tip(g, s, seq, now);
    }
}

void sp_svc_notify_message(struct sp_gateway *g, struct sp_account *a, const struct sp_frame *f, sp_time now)
{
    uint32_t seq = f->u.msg_n.seq.v;
    const struct sp_node *node;
    SP_LIST_FOREACH (node, &a->devices) {
        struct sp_session *s = SP_LIST_ITEM(node, struct sp_device, node)->session;
        if (wants_news(s, seq) && !follow(g, s, f, now)) /* else: a repeat of what this session was sent */
            tip(g, s, seq, now);
    }
}

void sp_svc_notify_flush(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    if (s->tip == 0)
        return;
    if (!s->is_tipped) { /* one TIP is enough until the client pulls */
        struct sp_frame f = {.kind = SP_KIND_TIP, .u.tip = {.svr_seq = {s->tip}}};
        if (!sp_session_send(g, s, &f, 0, now))
            return;
        s->is_tipped = true;
        g->stats.tips_sent++;
    }
    s->tip = 0;
}
