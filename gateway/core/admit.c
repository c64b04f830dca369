/* The eight steps of docs/protocol.md, section 2.3, in order; each either passes or is the end. */
#include "admit.h"

#include "bug.h"
#include "core.h"
#include "handshake.h"
#include "svc_receipt.h"

#include <string.h>

#define DATA_UP_MIN 27
#define CID_AT      1 /* in a DATA datagram */
#define VERSION_AT  1 /* in an INIT */
#define CLEN_AT     38

/* One INIT on its way through the steps. */
struct visit {
    const struct sp_datagram *in;
    struct sp_init init;
    bool has_cookie; /* a valid one */
    struct sp_token token;
    struct sp_register_row *row;
    sp_time now;
    uint32_t now_s;
};

void sp_admit_init(struct sp_gateway *g, sp_time now)
{
    struct sp_admit *ad = &g->admit;
    struct sp_arena *a = &g->arena;
    sp_rng_bytes(&g->rng, ad->key, sizeof ad->key);
    sp_rng_bytes(&g->rng, (uint8_t *)&ad->cookies, sizeof ad->cookies);
    ad->cookies_until = now + SP_CONF_COOKIE_LIFE;
    ad->started_s = g->unix_us / 1000000;
    sp_register_init(&ad->seen, a, SP_CONF_REGISTER_MAX, SP_CONF_REGISTER_LIFE);
    sp_time *sources = sp_arena_take(a, SP_CONF_INIT_BUCKETS, sizeof *sources);
    sp_time *devices = sp_arena_take(a, SP_CONF_DEVICE_BUCKETS, sizeof *devices);
    sp_time *resets = sp_arena_take(a, SP_CONF_RESET_BUCKETS, sizeof *resets);
    if (a->has_failed)
        return;
    sp_limit_init(&ad->sources, sources, SP_CONF_INIT_BUCKETS, SP_CONF_INIT_EVERY, SP_CONF_INIT_BURST, now);
    sp_limit_init(&ad->devices, devices, SP_CONF_DEVICE_BUCKETS, SP_CONF_DEVICE_EVERY, SP_CONF_DEVICE_BURST,
                  now);
    sp_limit_init(&ad->resets, resets, SP_CONF_RESET_BUCKETS, SP_CONF_RESET_EVERY, SP_CONF_RESET_BURST, now);
}

static uint64_t hash_of(const struct sp_gateway *g, struct sp_view bytes)
{
    return sp_table_hash(g->crypto, g->admit.key, bytes);
}

/* An address as a source: without port, IPv6 by its /64, because one subscriber has all of that. */
static uint64_t source_hash(const struct sp_gateway *g, const struct sp_addr *peer)
{
    return hash_of(g, (struct sp_view){peer->ip, peer->family == 6 ? 8 : 4});
}

static bool is_same_addr(const struct sp_addr *a, const struct sp_addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* Secrets change lazily: nothing needs them between two INITs. */
static void turn_cookies(struct sp_gateway *g, sp_time now)
{
    struct sp_admit *ad = &g->admit;
    if (now < ad->cookies_until)
        return;
    memcpy(ad->cookies.before, ad->cookies.now, sizeof ad->cookies.before);
    sp_rng_bytes(&g->rng, ad->cookies.now, sizeof ad->cookies.now);
    ad->cookies_until = now + SP_CONF_COOKIE_LIFE;
}

static void reply(struct sp_gateway *g, const struct sp_addr *peer, struct sp_view bytes)
{
    if (!sp_reply_push(&g->reply, peer, bytes))
        g->stats.replies_lost++;
}

static void retry(struct sp_gateway *g, const struct visit *v)
{
    uint8_t out[SP_RETRY_LEN];
    out[0] = SP_FIRST_RETRY;
    memcpy(out + 1, v->init.e, 8);
    sp_cookie_make(g->crypto, g->admit.cookies.now, &v->in->peer, v->init.token + 2, v->now_s, out + 9);
    g->stats.init_retry++;
    reply(g, &v->in->peer, (struct sp_view){out, sizeof out});
}

/* Step 1: shape.  A cookie that does not hold counts as none (ruling 16). */
static bool check_shape(struct sp_gateway *g, struct visit *v)
{
    if (v->in->len < SP_INIT_MIN) {
        g->stats.drop_short++;
        return false;
    }
    if (sp_handshake_parse((struct sp_view){v->in->p, v->in->len}, &v->init) != 0) {
        bool is_unpadded =
            v->in->len < SP_DATAGRAM_MAX && v->in->p[VERSION_AT] == 1 && v->in->p[CLEN_AT] == 0;
        if (is_unpadded)
            g->stats.drop_init_unpadded++;
        else
            g->stats.drop_init_version++;
        return false;
    }
    if (v->init.cookie.n == SP_COOKIE_LEN)
        v->has_cookie = sp_cookie_check(g->crypto, &g->admit.cookies, &v->in->peer, v->init.token + 2,
                                        v->now_s, v->init.cookie.p) == 0;
    if (!v->has_cookie && v->in->len < SP_DATAGRAM_MAX) {
        g->stats.drop_init_unpadded++;
        return false;
    }
    return true;
}

/* Steps 2 and 3: without a cookie, only as often as the source may, and only while we are at ease. */
static bool check_source(struct sp_gateway *g, const struct visit *v)
{
    if (v->has_cookie)
        return true;
    if (!sp_limit_take(&g->admit.sources, source_hash(g, &v->in->peer), v->now)) {
        g->stats.drop_init_rate++;
        retry(g, v);
        return false;
    }
    if (g->half_open_n > SP_CONF_HALF_OPEN_EASY || sp_register_is_full(&g->admit.seen)) {
        g->stats.drop_init_cookie++;
        retry(g, v);
        return false;
    }
    return true;
}

/* Step 4: an INIT seen before gets its ACCEPT again, at the same address, a few times, while the session is
 * half open; a confirmed session shows that ACCEPT has arrived. */
static bool check_repeat(struct sp_gateway *g, struct visit *v)
{
    struct sp_register *seen = &g->admit.seen;
    struct sp_register_row *row =
        sp_register_find(seen, hash_of(g, (struct sp_view){v->init.e, 32}), v->init.e);
    if (row == NULL)
        return true;
    struct sp_session *s = row->has_session ? sp_peers_find_cid(&g->peers, row->cid) : NULL;
    if (s == NULL || s->state != SP_SESSION_HALF_OPEN || s->accept_left == 0 ||
        !is_same_addr(&s->accept_peer, &v->in->peer)) {
        g->stats.drop_init_repeat++;
        return false;
    }
    s->accept_left--;
    g->stats.init_repeated++;
    g->stats.datagrams_accepted++;
    reply(g, &v->in->peer, (struct sp_view){s->accept, sizeof s->accept});
    return false;
}

/* Steps 5 and 6: a token of ours, sent by one who has its psk. */
static bool check_token(struct sp_gateway *g, struct visit *v)
{
    if (sp_token_open(g->crypto, &g->cfg.keys.tokens, g->cfg.keys.public, v->init.token, v->now_s, 0,
                      &v->token) != 0) {
        g->stats.drop_init_token++;
        return false;
    }
    if (sp_handshake_prove(g->crypto, &v->init, v->token.psk) != 0) {
        g->stats.drop_init_proof++;
        return false;
    }
    return true;
}

/* Step 7: fresh, or with a cookie; then e is remembered, and the device pays. */
static bool check_fresh(struct sp_gateway *g, struct visit *v)
{
    int64_t ahead = (int64_t)v->init.time_s - (int64_t)v->now_s;
    bool is_fresh = ahead <= SP_CONF_TIME_WINDOW_S && ahead >= -SP_CONF_TIME_WINDOW_S &&
                    v->init.time_s > g->admit.started_s + SP_CONF_TIME_WINDOW_S;
    if (!v->has_cookie && !is_fresh) {
        g->stats.drop_init_cookie++;
        retry(g, v);
        return false;
    }
    v->row = sp_register_add(&g->admit.seen, hash_of(g, (struct sp_view){v->init.e, 32}), v->init.e, v->now);
    uint8_t who[4 + SP_USER_MAX];
    memcpy(who, &v->token.device, sizeof v->token.device);
    memcpy(who + 4, v->token.uid, v->token.uid_len);
    if (!sp_limit_take(&g->admit.devices, hash_of(g, (struct sp_view){who, 4U + v->token.uid_len}), v->now)) {
        g->stats.drop_init_device++;
        return false;
    }
    return true;
}

/* Whether frames are nothing but PAD: only then packet 0 counts as received, because frames in an INIT are
 * not yet processed, and the client resends them at once when early is 0. */
static bool is_padding(const uint8_t *frames, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (frames[i] != SP_KIND_PAD)
            return false;
    }
    return true;
}

/* Room for one more half-open session: the oldest goes, first of this device, then of all. */
static bool make_room(struct sp_gateway *g, const struct sp_device *d, sp_time now)
{
    if (d->half[SP_CONF_HALF_OPEN_DEVICE - 1] != NULL)
        sp_session_close(g, d->half[0], SP_CLOSE_BUSY, 0, now);
    bool is_full = g->half_open_n >= g->cfg.half_open_max || g->sessions.used >= g->sessions.slots_max;
    if (!is_full)
        return true;
    struct sp_node *oldest = sp_list_first(&g->half_open);
    if (oldest == NULL)
        return false;
    sp_session_close(g, SP_LIST_ITEM(oldest, struct sp_session, node), SP_CLOSE_BUSY, 0, now);
    return true;
}

/* The half-open session of an INIT that held, or NULL; its ACCEPT is written. */
static struct sp_session *open_session(struct sp_gateway *g, struct visit *v, struct sp_handshake *h,
                                       bool early)
{
    struct sp_view user = {v->token.uid, v->token.uid_len};
    struct sp_device *d = sp_peers_get_device(&g->peers, user, v->token.device);
    for (unsigned i = 0; d == NULL && i < SP_CONF_OWED_DEVICE && sp_svc_receipt_forget_oldest(g); i++)
        d = sp_peers_get_device(&g->peers, user, v->token.device); /* receipts of the absent make room */
    if (d == NULL)
        return NULL;
    d->refs++; /* make_room may end the session that holds the record */
    bool has_room = make_room(g, d, v->now);
    d->refs--;
    struct sp_session *s = NULL;
    struct sp_session_keys keys;
    struct sp_accept accept = {.early = early, .time_s = v->now_s};
    uint8_t random[5], e[32], bytes[SP_DATAGRAM_MAX];
    size_t len = 0;
    sp_rng_bytes(&g->rng, random, sizeof random);
    sp_rng_bytes(&g->rng, e, sizeof e);
    sp_cookie_cid(g->crypto, &g->cfg.keys.cids, g->cfg.worker, random, accept.cid);
    sp_cookie_reset(g->crypto, &g->cfg.keys.cids, accept.cid, accept.reset);
    bool is_new = sp_peers_find_cid(&g->peers, accept.cid) == NULL;
    if (has_room && is_new && sp_handshake_accept(h, e, &accept, bytes, sizeof bytes, &len, &keys) == 0) {
        SP_ASSERT(len == SP_ACCEPT_MIN);
        struct sp_session_opening o = {.device = d,
                                       .rights = v->token.rights,
                                       .peer = v->in->peer,
                                       .keys = &keys,
                                       .is_validated = v->has_cookie,
                                       .early = early,
                                       .received_bytes = v->in->len};
        memcpy(o.cid, accept.cid, sizeof o.cid);
        s = sp_session_open(g, &o, v->now);
        if (s != NULL)
            memcpy(s->accept, bytes, sizeof s->accept);
    }
    if (s == NULL)
        sp_peers_release(&g->peers, d);
    g->crypto->wipe(g->crypto->self, &keys, sizeof keys);
    g->crypto->wipe(g->crypto->self, e, sizeof e);
    return s;
}

/* Step 8: the costly part, now that we know for whom. */
static void answer(struct sp_gateway *g, struct visit *v)
{
    struct sp_handshake h;
    uint8_t frames[SP_DATAGRAM_MAX], cause;
    size_t n = 0;
    memset(&h, 0, sizeof h);
    const struct sp_gateway_keys *keys = &g->cfg.keys;
    if (sp_handshake_open(&h, g->crypto, &v->init, keys->secret, keys->public, v->token.psk, frames,
                          sizeof frames, &n) != 0 ||
        sp_wire_check((struct sp_view){frames, n}, SP_DIR_UP, &cause) != 0) {
        g->stats.drop_init_sealed++;
        g->crypto->wipe(g->crypto->self, &h, sizeof h);
        return;
    }
    struct sp_session *s = open_session(g, v, &h, v->row != NULL && is_padding(frames, n));
    g->crypto->wipe(g->crypto->self, &h, sizeof h);
    if (s == NULL) {
        g->stats.drop_init_full++;
        return;
    }
    if (v->row != NULL) {
        memcpy(v->row->cid, s->cid, sizeof v->row->cid);
        v->row->has_session = true;
    }
    g->stats.datagrams_accepted++;
    g->stats.handshakes_accepted++;
    reply(g, &v->in->peer, (struct sp_view){s->accept, sizeof s->accept});
}

void sp_admit_receive(struct sp_gateway *g, struct sp_datagram *in, sp_time now)
{
    if (g->is_draining) {
        g->stats.drop_init_draining++;
        return;
    }
    struct visit v = {.in = in, .now = now, .now_s = (uint32_t)(sp_gateway_unix_us(g, now) / 1000000)};
    turn_cookies(g, now);
    sp_register_expire(&g->admit.seen, now);
    if (check_shape(g, &v) && check_source(g, &v) && check_repeat(g, &v) && check_token(g, &v) &&
        check_fresh(g, &v))
        answer(g, &v);
    g->crypto->wipe(g->crypto->self, &v.token, sizeof v.token);
}

void sp_admit_reset(struct sp_gateway *g, const struct sp_datagram *in, sp_time now)
{
    const uint8_t *cid = in->p + CID_AT;
    SP_ASSERT(in->len >= DATA_UP_MIN);
    if (cid[0] != g->cfg.worker || !sp_cookie_cid_is_ours(g->crypto, &g->cfg.keys.cids, cid))
        return;
    if (!sp_limit_take(&g->admit.resets, source_hash(g, &in->peer), now))
        return;
    uint8_t out[SP_RESET_LEN];
    out[0] = SP_FIRST_RESET;
    sp_cookie_reset(g->crypto, &g->cfg.keys.cids, cid, out + 1);
    g->stats.resets_sent++;
    reply(g, &in->peer, (struct sp_view){out, sizeof out});
}

void sp_admit_step(struct sp_gateway *g, sp_time now)
{
    struct sp_node *node;
    while ((node = sp_list_first(&g->half_open)) != NULL) {
        struct sp_session *s = SP_LIST_ITEM(node, struct sp_session, node);
        if (s->opened_at + SP_CONF_HALF_OPEN_LIFE > now)
            return;
        sp_session_close(g, s, SP_CLOSE_BYE, 0, now);
    }
}

sp_time sp_admit_deadline(const struct sp_gateway *g)
{
    struct sp_node *node = sp_list_first(&g->half_open);
    if (node == NULL)
        return SP_NEVER;
    return SP_LIST_ITEM(node, const struct sp_session, node)->opened_at + SP_CONF_HALF_OPEN_LIFE;
}
