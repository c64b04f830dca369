/* Questions about messages: wait for what is in flight, ask the store, answer. */
#include "svc_status.h"

#include "bug.h"
#include "core.h"
#include "svc_receipt.h"
#include "svc_send.h"

void sp_svc_status_init(struct sp_gateway *g)
{
    sp_arena_pool(&g->arena, &g->statuses, sizeof(struct sp_status), SP_CONF_STATUSES_MAX);
}

static void drop(struct sp_gateway *g, struct sp_status *st)
{
    struct sp_session *s = st->session;
    SP_ASSERT(s->statuses_n > 0);
    sp_list_remove(&st->node);
    s->statuses_n--;
    sp_session_touch(g, s); /* a closing session may now be gone */
    sp_pool_give(&g->statuses, st);
}

/* 1 while the recipient may still confirm it in time, else 2: stored for later. */
static uint8_t open_state(const struct sp_gateway *g, const struct sp_device *d, struct sp_msgid id)
{
    return sp_watch_has(g, d, id) ? SP_STATE_ACCEPTED : SP_STATE_STORED;
}

/* Answers, unless an id became in flight meanwhile: then the question waits again. */
static bool answer(struct sp_gateway *g, struct sp_status *st, const struct sp_store_done *done, sp_time now)
{
    struct sp_session *s = st->session;
    struct sp_frame f = {.kind = SP_KIND_STATUS_A};
    f.u.status_a.id = st->question.id;
    f.u.status_a.n = st->question.n;
    SP_ASSERT(done->entries_n == st->question.n);
    sp_witness_entries(g, done->entries, done->entries_n);
    for (size_t i = 0; i < st->question.n; i++) {
        struct sp_msgid id = st->question.msgids[i];
        uint8_t state = (uint8_t)done->entries[i].state;
        if (state == SP_STATE_UNKNOWN && now < st->until && sp_svc_send_is_pending(g, s->device, id))
            return false;
        if (state == SP_STATE_ACCEPTED)
            state = open_state(g, s->device, id);
        sp_svc_receipt_correct(g, s->device, id, state, now);
        f.u.status_a.of[i].state = state;
        f.u.status_a.of[i].seq = done->entries[i].seq;
    }
    if (sp_session_send(g, s, &f, 0, now))
        g->stats.statuses++;
    return true;
}

static void answered(struct sp_gateway *g, struct sp_ask *ask, const struct sp_store_done *done, sp_time now)
{
    struct sp_status *st = SP_LIST_ITEM(ask, struct sp_status, ask);
    if (done->err != 0)
        g->stats.store_unknown++;
    if (st->session->state == SP_SESSION_LIVE && done->err == 0 && !answer(g, st, done, now))
        return;
    drop(g, st);
}

/* One of many ids may always be in flight again: without the bound the others would never get their answer.
 * Whatever is in flight comes to its fate about then, so that needs no timer. */
static bool is_waiting(const struct sp_gateway *g, const struct sp_status *st, sp_time now)
{
    if (now >= st->until)
        return false;
    for (size_t i = 0; i < st->question.n; i++) {
        if (sp_svc_send_is_pending(g, st->session->device, st->question.msgids[i]))
            return true;
    }
    return false;
}

static void ask_store(struct sp_gateway *g, struct sp_status *st, sp_time now)
{
    const struct sp_session *s = st->session;
    st->ask.answer = answered;
    st->ask.req = (struct sp_store_req){.op = SP_STORE_STATUS,
                                        .from = {.user = {sp_session_user(s)}, .device = s->device->number},
                                        .msgids = st->question.msgids,
                                        .msgids_n = st->question.n,
                                        .at_us = sp_gateway_unix_us(g, now)};
    sp_batch_add(&g->batch, &st->ask);
}

static bool is_open(const struct sp_session *s, uint16_t id)
{
    const struct sp_node *node;
    SP_LIST_FOREACH (node, &s->statuses) {
        if (SP_LIST_ITEM(node, const struct sp_status, node)->question.id == id)
            return true;
    }
    return false;
}

void sp_svc_status_receive(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_status_r *f,
                           sp_time now)
{
    if (s->statuses_n >= SP_CONF_STATUS_OPEN || is_open(s, f->id)) /* asked again: the first is answered */
        return;
    struct sp_status *st = sp_pool_take(&g->statuses);
    if (st == NULL)
        return;
    st->session = s;
    st->question = *f;
    st->until = now + SP_CONF_HOLD_LIFE;
    sp_list_append(&s->statuses, &st->node);
    s->statuses_n++;
    if (!is_waiting(g, st, now))
        ask_store(g, st, now);
}

void sp_svc_status_settled(struct sp_gateway *g, struct sp_device *d, sp_time now)
{
    struct sp_node *node;
    if (d->session == NULL)
        return;
    SP_LIST_FOREACH (node, &d->session->statuses) {
        struct sp_status *st = SP_LIST_ITEM(node, struct sp_status, node);
        if (!st->ask.is_out && !is_waiting(g, st, now))
            ask_store(g, st, now);
    }
}

void sp_svc_status_forget(struct sp_gateway *g, struct sp_session *s)
{
    struct sp_node *node = s->statuses.head.next;
    while (node != &s->statuses.head) {
        struct sp_status *st = SP_LIST_ITEM(node, struct sp_status, node);
        node = node->next;
        if (!st->ask.is_out)
            drop(g, st);
    }
}
