/* Owed receipts by device and msgid. */
#include "svc_receipt.h"

#include "bug.h"
#include "core.h"
#include "svc_send.h"

void sp_svc_receipt_init(struct sp_gateway *g)
{
    sp_table_init(&g->owed_by_id, &g->arena, SP_CONF_OWED_MAX);
    sp_arena_pool(&g->arena, &g->owed, sizeof(struct sp_owed), SP_CONF_OWED_MAX);
    sp_list_init(&g->owed_all);
}

static struct sp_owed *find(const struct sp_gateway *g, const struct sp_device *d, struct sp_msgid id)
{
    struct sp_hook *h = sp_gateway_first_of(g, &g->owed_by_id, d, id);
    for (; h != NULL; h = sp_table_next(h)) {
        struct sp_owed *o = SP_TABLE_ITEM(h, struct sp_owed, hook);
        if (o->device == d && o->msgid.v == id.v)
            return o;
    }
    return NULL;
}

/* Ends an owed receipt; the device stays. */
static void drop(struct sp_gateway *g, struct sp_owed *o)
{
    SP_ASSERT(o->device->owed_n > 0);
    o->device->owed_n--;
    sp_table_remove(&g->owed_by_id, &o->hook);
    sp_list_remove(&o->all);
    sp_list_remove(&o->mine);
    o->ref = 0; /* a late ACKED that names this slot must not match */
    o->device = NULL;
    sp_pool_give(&g->owed, o);
}

static struct sp_owed *add(struct sp_gateway *g, struct sp_device *d, struct sp_msgid id)
{
    if (d->owed_n >= SP_CONF_OWED_DEVICE)
        return NULL;
    struct sp_owed *o = sp_pool_take(&g->owed);
    if (o == NULL && sp_svc_receipt_forget_oldest(g))
        o = sp_pool_take(&g->owed);
    if (o == NULL)
        return NULL;
    o->device = d;
    o->msgid = id;
    d->owed_n++;
    sp_list_append(&g->owed_all, &o->all);
    sp_list_append(&d->owed, &o->mine);
    sp_table_add(&g->owed_by_id, &o->hook, sp_gateway_id_hash(g, d, id));
    return o;
}

void sp_svc_receipt_owe(struct sp_gateway *g, struct sp_device *d, struct sp_msgid id, uint8_t state,
                        sp_time now)
{
    struct sp_owed *o = find(g, d, id);
    if (o != NULL && o->state >= state)
        return;
    if (o == NULL)
        o = add(g, d, id);
    if (o == NULL) {
        g->stats.receipts_forgotten++;
        return;
    }
    if (state == SP_STATE_STORED)
        g->stats.receipts_stored++;
    o->state = state;
    if (o->ref != 0) { /* the frame under way says less: the new one takes its place */
        SP_ASSERT(d->session != NULL);
        sp_link_cancel(&d->session->link, o->ref);
        o->ref = 0;
        sp_list_remove(&o->mine);
        sp_list_append(&d->owed, &o->mine);
    }
    sp_svc_receipt_flush(g, d, now);
}

void sp_svc_receipt_correct(struct sp_gateway *g, struct sp_device *d, struct sp_msgid id, uint8_t state,
                            sp_time now)
{
    if (state < SP_STATE_DELIVERED)
        return;
    sp_watch_end(g, d, id);
    if (find(g, d, id) != NULL)
        sp_svc_receipt_owe(g, d, id, state, now);
}

/* The record of a sender who may be absent.  Those take at most half of the records, so that sessions always
 * find one. */
static struct sp_device *origin_of(struct sp_gateway *g, const struct sp_origin *from)
{
    struct sp_device *d = sp_peers_find_device(&g->peers, from->user.id, from->device);
    if (d != NULL)
        return d;
    size_t absent = g->peers.devices_pool.used - (g->live_n + g->half_open_n < g->peers.devices_pool.used
                                                      ? g->live_n + g->half_open_n
                                                      : g->peers.devices_pool.used);
    if (absent >= g->cfg.sessions_max)
        return NULL;
    return sp_peers_get_device(&g->peers, from->user.id, from->device);
}

void sp_svc_receipt_entries(struct sp_gateway *g, const struct sp_store_entry *e, size_t n, sp_time now)
{
    sp_witness_entries(g, e, n);
    for (size_t i = 0; i < n; i++) {
        if (e[i].state == SP_STATE_DELIVERED)
            g->stats.receipts_delivered++;
        if (e[i].state >= SP_STATE_ENDED)
            g->stats.receipts_ended++;
        struct sp_device *d = origin_of(g, &e[i].from);
        if (d == NULL) {
            g->stats.receipts_forgotten++;
            continue;
        }
        d->refs++;
        sp_watch_end(g, d, e[i].from.msgid);
        sp_svc_send_ended(g, d, e[i].from.msgid, (uint8_t)e[i].state);
        sp_svc_receipt_owe(g, d, e[i].from.msgid, (uint8_t)e[i].state, now);
        d->refs--;
        sp_peers_release(&g->peers, d);
    }
}

void sp_svc_receipt_flush(struct sp_gateway *g, struct sp_device *d, sp_time now)
{
    struct sp_session *s = d->session;
    struct sp_node *node;
    if (s == NULL)
        return;
    while ((node = sp_list_first(&d->owed)) != NULL) {
        struct sp_owed *o = SP_LIST_ITEM(node, struct sp_owed, mine);
        uint64_t slot = (uint64_t)((char *)o - g->owed.mem) / g->owed.slot_len;
        uint64_t ref = SP_SESSION_REF_ACK_N | (uint64_t)(g->owed_turn++ & 0x3fffffff) << 32 | slot;
        struct sp_frame f;
        f.kind = SP_KIND_ACK_N;
        f.u.ack_n = (struct sp_frame_ack_n){.msgid = o->msgid, .state = o->state};
        if (!sp_session_send(g, s, &f, ref, now))
            return;
        o->ref = ref;
        sp_list_remove(node);
        sp_list_append(&d->told, node);
    }
}

void sp_svc_receipt_acked(struct sp_gateway *g, struct sp_session *s, uint64_t ref)
{
    size_t slot = (uint32_t)ref;
    SP_ASSERT(slot < g->owed.slots_max);
    struct sp_owed *o = (struct sp_owed *)(void *)(g->owed.mem + slot * g->owed.slot_len);
    if (s->device == NULL || o->ref != ref || o->device != s->device)
        return; /* told by a session that is gone, or overtaken */
    drop(g, o);
}

void sp_svc_receipt_untell(struct sp_device *d)
{
    struct sp_node *node;
    while ((node = sp_list_first(&d->told)) != NULL) {
        SP_LIST_ITEM(node, struct sp_owed, mine)->ref = 0;
        sp_list_remove(node);
        sp_list_append(&d->owed, node);
    }
}

bool sp_svc_receipt_forget_oldest(struct sp_gateway *g)
{
    struct sp_node *node = sp_list_first(&g->owed_all);
    if (node == NULL)
        return false;
    struct sp_owed *o = SP_LIST_ITEM(node, struct sp_owed, all);
    struct sp_device *d = o->device;
    if (d->session != NULL)
        return false;
    g->stats.receipts_forgotten++;
    drop(g, o);
    sp_peers_release(&g->peers, d);
    return true;
}
