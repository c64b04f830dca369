/* Composition of a turn: datagrams to their sessions, frames to their services, one store batch, datagrams
 * out. */
#include "gateway.h"

#include "bug.h"
#include "core.h"
#include "svc_ack.h"
#include "svc_ctrl.h"
#include "svc_pull.h"
#include "svc_receipt.h"
#include "svc_send.h"
#include "svc_status.h"

#include <string.h>

#define DATA_UP_MIN 27
#define CID_AT      1

static bool is_valid(const struct sp_gateway_config *cfg)
{
    return cfg->crypto != NULL && cfg->unix_us >= 0 && cfg->keys.tokens.n >= 1 &&
           cfg->keys.tokens.n <= sizeof cfg->keys.tokens.of / sizeof cfg->keys.tokens.of[0] &&
           cfg->sessions_max >= 1 && cfg->sessions_max <= SP_CONF_SESSIONS_MAX;
}

static void set_defaults(struct sp_gateway_config *cfg)
{
    if (cfg->half_open_max == 0)
        cfg->half_open_max = SP_CONF_HALF_OPEN_MAX;
    if (cfg->message_ttl_s == 0)
        cfg->message_ttl_s = SP_CONF_TTL_S;
    if (cfg->session_life_s == 0)
        cfg->session_life_s = SP_CONF_SESSION_LIFE;
    if (cfg->frames_max == 0) {
        size_t wanted = cfg->sessions_max * SP_CONF_FRAMES_SESSION;
        cfg->frames_max = wanted < SP_CONF_FRAMES_MIN   ? SP_CONF_FRAMES_MIN
                          : wanted > SP_CONF_FRAMES_MAX ? SP_CONF_FRAMES_MAX
                                                        : wanted;
    }
}

static void init_sessions(struct sp_gateway *g)
{
    struct sp_arena *a = &g->arena;
    size_t n = g->cfg.sessions_max;
    struct sp_link_memory_config links = {.small_max = g->cfg.frames_max,
                                          .large_max = g->cfg.frames_max,
                                          .packets_max = g->cfg.frames_max,
                                          .copies_max = 2 * g->cfg.frames_max};
    struct sp_due_slot **heap = sp_arena_take(a, n, sizeof(struct sp_due_slot *));
    void *memory = sp_arena_take(a, 1, sp_link_memory_footprint(&links));
    sp_arena_pool(a, &g->sessions, sizeof(struct sp_session), n);
    sp_arena_pool(a, &g->refusals, sizeof(struct sp_dedup_row), SP_CONF_REFUSED_MAX);
    if (a->has_failed)
        return;
    sp_due_init(&g->due, heap, n);
    sp_link_memory_init(&g->link_memory, memory, &links);
    sp_list_init(&g->half_open);
    sp_list_init(&g->live);
    sp_list_init(&g->closing);
    sp_list_init(&g->dirty);
}

static void init_batch(struct sp_gateway *g, struct sp_store_port *port)
{
    struct sp_batch *b = &g->batch;
    b->port = port;
    b->again_at = SP_NEVER;
    b->reqs = sp_arena_take(&g->arena, SP_CONF_BATCH_MAX, sizeof *b->reqs);
    b->dones = sp_arena_take(&g->arena, SP_CONF_DONE_MAX, sizeof *b->dones);
    sp_list_init(&b->asks);
    sp_list_init(&b->ranges);
}

static void init(struct sp_gateway *g, struct sp_store_port *port, sp_time now)
{
    uint8_t key[16];
    sp_rng_init(&g->rng, g->crypto, g->cfg.seed);
    g->crypto->wipe(g->crypto->self, g->cfg.seed, sizeof g->cfg.seed);
    sp_rng_bytes(&g->rng, key, sizeof key);
    sp_peers_init(&g->peers, &g->arena, g->crypto, key, g->cfg.sessions_max);
    sp_admit_init(g, now);
    sp_reply_init(&g->reply, &g->arena, SP_CONF_REPLIES_MAX);
    init_sessions(g);
    init_batch(g, port);
    sp_watch_init(g);
    sp_svc_send_init(g);
    sp_svc_receipt_init(g);
    sp_svc_status_init(g);
    sp_arena_seal(&g->arena);
}

int sp_gateway_create(struct sp_gateway **out, const struct sp_gateway_config *cfg, struct sp_store_port *p,
                      sp_time now)
{
    if (!is_valid(cfg) || p == NULL)
        return SP_EINVAL;
    struct sp_arena arena = {0};
    struct sp_gateway *g = sp_arena_take(&arena, 1, sizeof *g);
    if (g == NULL)
        return SP_EFULL;
    g->arena = arena;
    g->cfg = *cfg;
    set_defaults(&g->cfg);
    g->crypto = cfg->crypto;
    g->unix_us = cfg->unix_us;
    g->unix_at = now;
    init(g, p, now);
    if (g->arena.has_failed) {
        sp_gateway_destroy(&g);
        return SP_EFULL;
    }
    *out = g;
    return 0;
}

static void wipe_links(struct sp_list *sessions)
{
    struct sp_node *node;
    SP_LIST_FOREACH (node, sessions)
        sp_link_wipe(&SP_LIST_ITEM(node, struct sp_session, node)->link);
}

void sp_gateway_destroy(struct sp_gateway **g)
{
    if (*g == NULL)
        return;
    const struct sp_crypto *c = (*g)->crypto;
    struct sp_arena arena = (*g)->arena;
    if (!arena.has_failed) {
        wipe_links(&(*g)->half_open);
        wipe_links(&(*g)->live);
        wipe_links(&(*g)->closing);
    }
    c->wipe(c->self, *g, sizeof **g);
    sp_arena_free(&arena);
    *g = NULL;
}

int64_t sp_gateway_unix_us(const struct sp_gateway *g, sp_time now)
{
    return g->unix_us + (now - g->unix_at);
}

uint64_t sp_gateway_id_hash(const struct sp_gateway *g, const struct sp_device *d, struct sp_msgid id)
{
    uint8_t bytes[16];
    uint64_t place = (uint64_t)(uintptr_t)d;
    memcpy(bytes, &place, sizeof place);
    memcpy(bytes + 8, &id.v, sizeof id.v);
    return sp_table_hash(g->crypto, g->peers.key, (struct sp_view){bytes, sizeof bytes});
}

struct sp_hook *sp_gateway_first_of(const struct sp_gateway *g, const struct sp_table *t,
                                    const struct sp_device *d, struct sp_msgid id)
{
    return t->used == 0 ? NULL : sp_table_first(t, sp_gateway_id_hash(g, d, id));
}

/* One frame to its service. */
static void dispatch(struct sp_gateway *g, struct sp_session *s, const struct sp_frame *f, sp_time now)
{
    switch (f->kind) {
    case SP_KIND_MSG_R:
        sp_svc_send_receive(g, s, &f->u.msg_r, now);
        break;
    case SP_KIND_ACK_R:
        sp_svc_ack_receive(g, s, &f->u.ack_r, now);
        break;
    case SP_KIND_PULL_R:
        sp_svc_pull_receive(g, s, &f->u.pull_r, now);
        break;
    case SP_KIND_STATUS_R:
        sp_svc_status_receive(g, s, &f->u.status_r, now);
        break;
    case SP_KIND_DONE:
        sp_svc_send_done(g, s, &f->u.done, now);
        break;
    case SP_KIND_CTRL_R:
        sp_svc_ctrl_receive(g, s, &f->u.ctrl, now);
        break;
    case SP_KIND_STREAM_OPEN:
        sp_svc_ctrl_stream(g, s, &f->u.stream, now);
        break;
    default: /* other stream frames are for streams that were never opened; unknown types are skipped by rule
              */
        break;
    }
}

/* A datagram that the link accepted: its events, its frames, the events of those. */
static void read_frames(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    struct sp_frame f;
    if (sp_link_has_event(&s->link) && !sp_session_hear(g, s, now))
        return;
    while (s->state == SP_SESSION_LIVE && sp_link_next(&s->link, &f) == 0)
        dispatch(g, s, &f, now);
    sp_session_touch(g, s);
}

static void count_refusal(struct sp_stats *st, int err)
{
    switch (err) {
    case SP_EREPLAY:
        st->drop_replay++;
        break;
    case SP_ECLOSED:
        st->drop_closed++;
        break;
    case SP_EMALFORMED:
        st->drop_short++;
        break;
    default:
        st->drop_auth++;
        break;
    }
}

static void receive_data(struct sp_gateway *g, struct sp_datagram *in, sp_time now)
{
    struct sp_stats *st = &g->stats;
    if (in->len < DATA_UP_MIN) {
        st->drop_short++;
        return;
    }
    struct sp_session *s = sp_peers_find_cid(&g->peers, in->p + CID_AT);
    if (s == NULL) {
        st->drop_cid++;
        sp_admit_reset(g, in, now);
        return;
    }
    int err = sp_link_receive(&s->link, in, now);
    if (err == 0) {
        st->datagrams_accepted++;
        read_frames(g, s, now);
        return;
    }
    count_refusal(st, err);
    if (err == SP_ECLOSED)
        sp_session_touch(g, s); /* a repeat of CLOSE may be due */
}

static void receive_one(struct sp_gateway *g, struct sp_datagram *in, sp_time now)
{
    struct sp_stats *st = &g->stats;
    st->datagrams_received++;
    st->bytes_received += in->len;
    if (in->len == 0)
        st->drop_empty++;
    else if (in->len > SP_DATAGRAM_MAX)
        st->drop_long++;
    else if (in->p[0] == SP_FIRST_INIT)
        sp_admit_receive(g, in, now);
    else if (in->p[0] == SP_FIRST_DATA || in->p[0] == (SP_FIRST_DATA | 1))
        receive_data(g, in, now);
    else
        st->drop_kind++;
}

void sp_gateway_receive(struct sp_gateway *g, struct sp_datagram *in, size_t n, sp_time now)
{
    for (size_t i = 0; i < n; i++)
        receive_one(g, &in[i], now);
}

void sp_gateway_step(struct sp_gateway *g, sp_time now)
{
    struct sp_due_slot *slot;
    sp_admit_step(g, now);
    sp_batch_poll(g, now);
    while ((slot = sp_due_pop(&g->due, now)) != NULL) {
        struct sp_session *s = SP_DUE_ITEM(slot, struct sp_session, due);
        if (sp_session_settle(g, s, now))
            sp_session_touch(g, s);
    }
    sp_watch_step(g, now);
    sp_svc_send_step(g, now);
    sp_batch_submit(g, now);
}

static void count_sent(struct sp_gateway *g, const struct sp_datagram *out)
{
    g->stats.datagrams_sent++;
    g->stats.bytes_sent += out->len;
}

/* Datagrams of one session, at most `cap` and its turn's share.  It rests, goes to the end of the queue, or
 * is gone. */
static size_t transmit_session(struct sp_gateway *g, struct sp_session *s, struct sp_datagram *out,
                               size_t cap, sp_time now)
{
    size_t n = 0, most = cap < SP_CONF_TURN_PACKETS ? cap : SP_CONF_TURN_PACKETS;
    sp_list_remove(&s->dirty);
    if (!sp_session_settle(g, s, now))
        return 0;
    bool may_send = s->state != SP_SESSION_HALF_OPEN;
    while (may_send && n < most && sp_link_transmit(&s->link, &out[n], now) == 0)
        count_sent(g, &out[n++]);
    if (n == most) { /* it may have more */
        sp_list_remove(&s->dirty);
        sp_session_touch(g, s);
        return n;
    }
    if (!sp_session_settle(g, s, now)) /* room again for what waits, or the last CLOSE is out */
        return n;
    if (!sp_list_has(&s->dirty))
        sp_session_rest(g, s, now);
    return n;
}

size_t sp_gateway_transmit(struct sp_gateway *g, struct sp_datagram *out, size_t cap, sp_time now)
{
    size_t n = 0;
    while (n < cap && sp_reply_pop(&g->reply, &out[n]))
        count_sent(g, &out[n++]);
    while (n < cap && !sp_list_is_empty(&g->dirty)) {
        struct sp_session *s = SP_LIST_ITEM(sp_list_first(&g->dirty), struct sp_session, dirty);
        n += transmit_session(g, s, out + n, cap - n, now);
    }
    return n;
}

static sp_time earlier(sp_time a, sp_time b)
{
    return a < b ? a : b;
}

sp_time sp_gateway_deadline(const struct sp_gateway *g)
{
    if (g->reply.n > 0 || !sp_list_is_empty(&g->dirty))
        return INT64_MIN;
    sp_time at = earlier(sp_due_next(&g->due), sp_batch_deadline(&g->batch));
    at = earlier(at, earlier(sp_admit_deadline(g), sp_watch_deadline(g)));
    return earlier(at, sp_svc_send_deadline(g));
}

void sp_gateway_wall(struct sp_gateway *g, int64_t unix_us, sp_time now)
{
    if (unix_us < 0)
        return;
    g->unix_us = unix_us;
    g->unix_at = now;
}

int sp_gateway_change(struct sp_gateway *g, const struct sp_gateway_change *change)
{
    struct sp_gateway_config cfg = g->cfg;
    int err = SP_EINVAL;
    cfg.keys.tokens = change->tokens;
    cfg.message_ttl_s = change->message_ttl_s;
    cfg.session_life_s = change->session_life_s;
    if (is_valid(&cfg) && cfg.message_ttl_s > 0 && cfg.session_life_s > 0) {
        g->cfg = cfg;
        err = 0;
    }
    g->crypto->wipe(g->crypto->self, &cfg, sizeof cfg);
    return err;
}

void sp_gateway_drain(struct sp_gateway *g, unsigned drain_s, sp_time now)
{
    struct sp_node *node;
    g->is_draining = true;
    while ((node = sp_list_first(&g->half_open)) != NULL)
        sp_session_close(g, SP_LIST_ITEM(node, struct sp_session, node), SP_CLOSE_GOING_AWAY, 0, now);
    while ((node = sp_list_first(&g->live)) != NULL) {
        uint64_t retry = sp_rng_below(&g->rng, (uint64_t)drain_s * 10 + 1);
        sp_session_close(g, SP_LIST_ITEM(node, struct sp_session, node), SP_CLOSE_GOING_AWAY,
                         (uint16_t)(retry < UINT16_MAX ? retry : UINT16_MAX), now);
    }
}

bool sp_gateway_is_drained(const struct sp_gateway *g)
{
    return g->is_draining && g->sessions.used == 0 && g->reply.n == 0 && sp_batch_is_idle(&g->batch);
}

static void add_links(const struct sp_list *sessions, struct sp_stats *out)
{
    const struct sp_node *node;
    SP_LIST_FOREACH (node, sessions) {
        struct sp_link_stats stats;
        sp_link_read_stats(&SP_LIST_ITEM(node, const struct sp_session, node)->link, &stats);
        out->packets_lost += stats.packets_lost;
        out->frames_resent += stats.frames_resent;
    }
}

void sp_gateway_read_stats(const struct sp_gateway *g, struct sp_stats *out)
{
    *out = g->stats;
    add_links(&g->live, out);
    add_links(&g->closing, out);
}

size_t sp_gateway_sessions(const struct sp_gateway *g)
{
    return g->live_n;
}
