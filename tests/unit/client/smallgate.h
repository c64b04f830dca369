/* A gateway of a few hundred lines for tests of the client: real handshakes and links, mailboxes in arrays
 * that survive its restarts, and switches for what a test wants it to do wrong.  It shares no code with the
 * real one above the link. Included by one test program each. */
#ifndef TESTS_SMALLGATE_H
#define TESTS_SMALLGATE_H

#include "link.h"
#include "mint.h"

#include <sampan/err.h>

enum { GATE_USERS = 3, GATE_BOX = 4096, GATE_SESSIONS = 8, GATE_IDS = 8192, GATE_HOLD = 64 };

struct gate_message {
    uint8_t from, flags;
    struct sp_msgid msgid;
    uint16_t len;
    uint8_t body[SP_PART_MAX];
};
struct gate_box {
    uint64_t epoch;
    uint32_t head, confirmed;
    struct gate_message *of; /* of seq n at n - 1 */
};
struct gate_row { /* dedup and receipt */
    struct sp_msgid msgid;
    uint8_t to, state;
    uint32_t seq;
};
struct gate_hold {
    struct sp_msgid msgid, after;
    uint8_t to, flags;
    uint16_t len;
    uint8_t body[SP_PART_MAX];
};
struct gate_session {
    bool is_used, is_up, is_bound, is_tipped;
    uint8_t user, serial, e[32];
    uint8_t accept[256];
    size_t accept_len;
    uint32_t sent; /* highest seq sent, skipped or stated */
    struct sp_addr peer;
    struct sp_link link;
    size_t holds_n;
    struct gate_hold holds[GATE_HOLD];
};

struct gate {
    struct mint mint;
    struct sp_rng rng;
    struct sp_link_memory memory;
    void *memory_mem;
    const char *names[GATE_USERS];
    struct gate_box boxes[GATE_USERS];
    struct gate_row *rows[GATE_USERS]; /* of msgid counter n at n % GATE_IDS */
    uint64_t floors[GATE_USERS];
    struct gate_session sessions[GATE_SESSIONS];
    int64_t unix_s;

    /* Switches. */
    bool wants_cookie;
    bool is_mute_ack_n;      /* ack:N are lost */
    bool is_mute_reset;      /* an unknown session meets silence */
    unsigned busy, swallow;  /* the next so many msg:R are answered BUSY; are not answered */
    uint8_t refuse;          /* code for every new msg:R; 0: none */
    unsigned refuse_acks;    /* the next so many cursors are ACK_TOO_HIGH */
    unsigned early_tip_from; /* a TIP instead of msg:N when so many are unconfirmed; 0: 64 */

    /* What was seen. */
    unsigned accepts, retries, resets, msgs, repeats, pulls, statuses, closes, cookies;
    uint8_t last_close;
};

static inline void gate_init(struct gate *g)
{
    static const char *const names[GATE_USERS] = {"ann", "bob", "eve"};
    static const struct sp_link_memory_config slots = {4096, 2048, 4096, 16384};
    uint8_t seed[32] = {42};
    memset(g, 0, sizeof *g);
    mint_init(&g->mint);
    sp_rng_init(&g->rng, g->mint.crypto, seed);
    g->memory_mem = malloc(sp_link_memory_footprint(&slots));
    cr_assert_not_null(g->memory_mem);
    sp_link_memory_init(&g->memory, g->memory_mem, &slots);
    for (size_t u = 0; u < GATE_USERS; u++) {
        g->names[u] = names[u];
        g->boxes[u] =
            (struct gate_box){.epoch = 1000 + u, .of = calloc(GATE_BOX, sizeof(struct gate_message))};
        g->rows[u] = calloc(GATE_IDS, sizeof(struct gate_row));
        cr_assert_not_null(g->boxes[u].of);
        cr_assert_not_null(g->rows[u]);
    }
}

static inline void gate_wipe(struct gate *g)
{
    for (size_t u = 0; u < GATE_USERS; u++) {
        free(g->boxes[u].of);
        free(g->rows[u]);
    }
    free(g->memory_mem);
}

/* kill -9 and start: mailboxes and rows stay, sessions do not. */
static inline void gate_restart(struct gate *g)
{
    for (size_t i = 0; i < GATE_SESSIONS; i++) {
        if (g->sessions[i].is_used)
            sp_link_wipe(&g->sessions[i].link);
        g->sessions[i].is_used = false;
    }
}

static inline int gate_user(const struct gate *g, struct sp_view id)
{
    for (int u = 0; u < GATE_USERS; u++)
        if (strlen(g->names[u]) == id.n && memcmp(g->names[u], id.p, id.n) == 0)
            return u;
    return -1;
}

static inline struct gate_session *gate_session_of(struct gate *g, unsigned user)
{
    for (size_t i = 0; i < GATE_SESSIONS; i++)
        if (g->sessions[i].is_used && g->sessions[i].is_up && g->sessions[i].user == user)
            return &g->sessions[i];
    return NULL;
}

static inline void gate_submit(struct gate_session *s, const struct sp_frame *f, sp_time now)
{
    int rc = sp_link_submit(&s->link, f, 0, now);
    cr_assert(rc == 0 || rc == SP_ECLOSED, "submit: %d", rc);
}

static inline struct gate_row *gate_row(const struct gate *g, unsigned user, struct sp_msgid id)
{
    struct gate_row *r = &g->rows[user][id.v % GATE_IDS];
    return r->msgid.v == id.v ? r : NULL;
}

static inline void gate_ack_n(struct gate *g, unsigned user, const struct gate_row *row, sp_time now)
{
    struct gate_session *s = gate_session_of(g, user);
    struct sp_frame f = {.kind = SP_KIND_ACK_N, .u.ack_n = {.msgid = row->msgid, .state = row->state}};
    if (s != NULL && !g->is_mute_ack_n)
        gate_submit(s, &f, now);
}

static inline void gate_msg_n(const struct gate *g, struct gate_session *s, uint32_t seq, sp_time now)
{
    const struct gate_message *m = &g->boxes[s->user].of[seq - 1];
    struct sp_frame f = {.kind = SP_KIND_MSG_N,
                         .u.msg_n = {.flags = m->flags & SP_MSG_FOUR,
                                     .seq = {seq},
                                     .msgid = m->msgid,
                                     .device = 5,
                                     .at_ms = 1700000000000,
                                     .from = {(const uint8_t *)g->names[m->from], strlen(g->names[m->from])},
                                     .body = {m->body, m->len}}};
    gate_submit(s, &f, now);
}

/* Live sending to a bound session, or one TIP. */
static inline void gate_notify(struct gate *g, unsigned user, sp_time now)
{
    struct gate_session *s = gate_session_of(g, user);
    const struct gate_box *box = &g->boxes[user];
    uint32_t limit = g->early_tip_from != 0 ? g->early_tip_from : 64;
    if (s == NULL || s->is_tipped)
        return;
    while (s->is_bound && s->sent < box->head && s->sent - box->confirmed < limit)
        gate_msg_n(g, s, ++s->sent, now);
    if (s->sent < box->head) {
        struct sp_frame f = {.kind = SP_KIND_TIP, .u.tip = {.svr_seq = {box->head}}};
        s->is_tipped = true;
        gate_submit(s, &f, now);
    }
}

static inline void gate_answer(struct gate *g, struct gate_session *s, struct sp_msgid id, uint8_t code,
                               sp_time now)
{
    const struct gate_row *row = gate_row(g, s->user, id);
    struct sp_frame f = {.kind = SP_KIND_MSG_A, .u.msg_a = {.code = code, .msgid = id}};
    if (code == SP_CODE_OK) {
        f.u.msg_a.seq.v = row->seq;
        f.u.msg_a.state = row->state;
    }
    if (code == SP_CODE_BUSY)
        f.u.msg_a.retry = 5;
    gate_submit(s, &f, now);
}

static inline bool gate_is_known(const struct gate *g, unsigned user, struct sp_msgid id)
{
    return id.v == 0 || id.v <= g->floors[user] || gate_row(g, user, id) != NULL;
}

/* Appends a new message, or says no. */
static inline void gate_append(struct gate *g, struct gate_session *s, const struct gate_hold *h, sp_time now)
{
    struct gate_box *box = &g->boxes[h->to];
    if (g->refuse != 0) {
        gate_answer(g, s, h->msgid, g->refuse, now);
        return;
    }
    cr_assert_lt(box->head, (uint32_t)GATE_BOX);
    struct gate_message *m = &box->of[box->head];
    *m = (struct gate_message){.from = s->user, .flags = h->flags, .msgid = h->msgid, .len = h->len};
    memcpy(m->body, h->body, h->len);
    struct gate_row *row = &g->rows[s->user][h->msgid.v % GATE_IDS];
    *row = (struct gate_row){.msgid = h->msgid, .to = h->to, .seq = ++box->head};
    const struct gate_session *other = gate_session_of(g, h->to);
    row->state = other != NULL && other->is_bound ? SP_STATE_ACCEPTED : SP_STATE_STORED;
    if ((h->flags & SP_MSG_FOUR) == 0)
        gate_answer(g, s, h->msgid, SP_CODE_OK, now);
    else if (row->state == SP_STATE_STORED)
        gate_ack_n(g, s->user, row, now);
    gate_notify(g, h->to, now);
}

static inline void gate_release_holds(struct gate *g, struct gate_session *s, sp_time now)
{
    for (size_t i = 0; i < s->holds_n;) {
        if (!gate_is_known(g, s->user, s->holds[i].after)) {
            i++;
            continue;
        }
        struct gate_hold h = s->holds[i];
        s->holds[i] = s->holds[--s->holds_n];
        if (!gate_is_known(g, s->user, h.msgid))
            gate_append(g, s, &h, now);
        i = 0;
    }
}

static inline void gate_msg_r(struct gate *g, struct gate_session *s, const struct sp_frame_msg_r *f,
                              sp_time now)
{
    int to = gate_user(g, f->to);
    struct gate_hold h = {
        .msgid = f->msgid, .after = f->after, .flags = f->flags, .len = (uint16_t)f->body.n};
    g->msgs++;
    if (g->swallow > 0) {
        g->swallow--;
        return;
    }
    if (gate_row(g, s->user, f->msgid) != NULL) {
        g->repeats++;
        if ((f->flags & SP_MSG_FOUR) != 0)
            gate_ack_n(g, s->user, gate_row(g, s->user, f->msgid), now);
        else
            gate_answer(g, s, f->msgid, SP_CODE_OK, now);
        return;
    }
    if (f->msgid.v <= g->floors[s->user]) {
        gate_answer(g, s, f->msgid, SP_CODE_DUP_EXPIRED, now);
        return;
    }
    if (to < 0) {
        gate_answer(g, s, f->msgid, SP_CODE_NO_USER, now);
        return;
    }
    if (g->busy > 0) {
        g->busy--;
        gate_answer(g, s, f->msgid, SP_CODE_BUSY, now);
        return;
    }
    h.to = (uint8_t)to;
    if (f->body.n > 0)
        memcpy(h.body, f->body.p, f->body.n);
    if (!gate_is_known(g, s->user, f->after)) {
        if (s->holds_n < GATE_HOLD)
            s->holds[s->holds_n++] = h;
        else
            gate_answer(g, s, f->msgid, SP_CODE_BUSY, now);
        return;
    }
    gate_append(g, s, &h, now);
    gate_release_holds(g, s, now);
}

/* DELIVERED for everything up to the cursor. */
static inline void gate_confirm(struct gate *g, unsigned user, uint32_t cursor, sp_time now)
{
    struct gate_box *box = &g->boxes[user];
    while (box->confirmed < cursor) {
        const struct gate_message *m = &box->of[box->confirmed++];
        struct gate_row *row = gate_row(g, m->from, m->msgid);
        if (row == NULL)
            continue;
        row->state = SP_STATE_DELIVERED;
        gate_ack_n(g, m->from, row, now);
    }
}

static inline bool gate_holds(const struct sp_frame_pull_r *p, uint32_t seq)
{
    for (size_t i = 0; i < p->n; i++)
        if (seq >= p->held[i].lo && seq <= p->held[i].hi)
            return true;
    return false;
}

static inline void gate_pull_r(struct gate *g, struct gate_session *s, const struct sp_frame_pull_r *p,
                               sp_time now)
{
    struct gate_box *box = &g->boxes[s->user];
    struct sp_frame f;
    g->pulls++;
    if (p->epoch.v != box->epoch || p->cursor.v > box->head) {
        f = (struct sp_frame){
            .kind = SP_KIND_RESYNC,
            .u.resync = {.why = p->epoch.v != box->epoch ? SP_RESYNC_EPOCH : SP_RESYNC_CURSOR,
                         .id = p->id,
                         .epoch = {box->epoch},
                         .lo = {box->confirmed},
                         .hi = {box->head}}};
        s->is_bound = false;
        gate_submit(s, &f, now);
        return;
    }
    bool confirms = (p->flags & SP_PULL_CONFIRMS) != 0;
    f = (struct sp_frame){.kind = SP_KIND_PULL_A, .u.pull_a = {.id = p->id, .epoch = {box->epoch}}};
    if (confirms && s->is_bound && p->cursor.v > s->sent) {
        f.u.pull_a.code = SP_CODE_ACK_TOO_HIGH;
        f.u.pull_a.confirmed.v = box->confirmed;
        gate_submit(s, &f, now);
        return;
    }
    uint32_t was = box->confirmed;
    if (confirms) {
        s->is_bound = true;
        gate_confirm(g, s->user, p->cursor.v, now);
    }
    uint32_t from = p->cursor.v > box->confirmed ? p->cursor.v : box->confirmed;
    uint32_t to = box->head - from > p->max ? from + p->max : box->head;
    f.u.pull_a.to.v = to;
    f.u.pull_a.svr_seq.v = box->head;
    f.u.pull_a.confirmed.v = box->confirmed;
    if (was > p->cursor.v) {
        f.u.pull_a.n = 1;
        f.u.pull_a.skipped[0].lo = p->cursor.v + 1;
        f.u.pull_a.skipped[0].hi = was;
        f.u.pull_a.skipped[0].why = SP_WHY_CONFIRMED;
    }
    gate_submit(s, &f, now);
    for (uint32_t seq = from + 1; seq <= to; seq++)
        if (!gate_holds(p, seq))
            gate_msg_n(g, s, seq, now);
    s->sent = to > s->sent ? to : s->sent;
    s->is_tipped = to < box->head;
}

static inline void gate_ack_r(struct gate *g, struct gate_session *s, const struct sp_frame_ack_r *a,
                              sp_time now)
{
    struct sp_frame f = {.kind = SP_KIND_ACK_A, .u.ack_a = {.id = a->id}};
    if (!s->is_bound) {
        f.u.ack_a.code = SP_CODE_NOT_BOUND;
    } else if (a->cursor.v > s->sent || g->refuse_acks > 0) {
        f.u.ack_a.code = SP_CODE_ACK_TOO_HIGH;
        g->refuse_acks -= g->refuse_acks > 0 ? 1 : 0;
    } else {
        gate_confirm(g, s->user, a->cursor.v, now);
    }
    f.u.ack_a.confirmed.v = g->boxes[s->user].confirmed;
    if ((a->kind & SP_ACK_R_SILENT) == 0 || f.u.ack_a.code != SP_CODE_OK)
        gate_submit(s, &f, now);
    gate_notify(g, s->user, now);
}

static inline void gate_status_r(struct gate *g, struct gate_session *s, const struct sp_frame_status_r *q,
                                 sp_time now)
{
    struct sp_frame f = {.kind = SP_KIND_STATUS_A, .u.status_a = {.id = q->id, .n = q->n}};
    g->statuses++;
    for (size_t i = 0; i < q->n; i++) {
        const struct gate_row *row = gate_row(g, s->user, q->msgids[i]);
        f.u.status_a.of[i].state = row != NULL ? row->state : 0;
        f.u.status_a.of[i].seq.v = row != NULL ? row->seq : 0;
    }
    gate_submit(s, &f, now);
}

static inline void gate_frame(struct gate *g, struct gate_session *s, const struct sp_frame *f, sp_time now)
{
    switch (f->kind) {
    case SP_KIND_MSG_R:
        gate_msg_r(g, s, &f->u.msg_r, now);
        return;
    case SP_KIND_PULL_R:
        gate_pull_r(g, s, &f->u.pull_r, now);
        return;
    case SP_KIND_ACK_R:
        gate_ack_r(g, s, &f->u.ack_r, now);
        return;
    case SP_KIND_STATUS_R:
        gate_status_r(g, s, &f->u.status_r, now);
        return;
    case SP_KIND_DONE:
        if (g->floors[s->user] < f->u.done.msgid.v)
            g->floors[s->user] = f->u.done.msgid.v;
        return;
    default:
        cr_assert_fail("a client sent frame %02x", f->kind);
    }
}

static inline struct gate_session *gate_vacant(struct gate *g)
{
    for (size_t i = 0; i < GATE_SESSIONS; i++)
        if (!g->sessions[i].is_used)
            return &g->sessions[i];
    gate_restart(g); /* too many half-open ones: a test of this size starts over */
    return &g->sessions[0];
}

static inline size_t gate_open_session(struct gate *g, struct mint_visit *v, const struct sp_addr *from,
                                       size_t init_len, uint8_t *reply, sp_time now)
{
    struct gate_session *s = gate_vacant(g);
    struct sp_accept said;
    struct sp_session_keys keys;
    int user = gate_user(g, (struct sp_view){v->token.uid, v->token.uid_len});
    cr_assert_geq(user, 0);
    memset(s, 0, sizeof *s);
    s->is_used = true;
    s->user = (uint8_t)user;
    s->peer = *from;
    memcpy(s->e, v->init.e, 32);
    s->accept_len =
        mint_accept(&g->mint, v, (uint32_t)(g->unix_s + now / SP_SECOND), s->accept, &said, &keys);
    s->serial = g->mint.serial;
    struct sp_link_config cfg = {.role = SP_LINK_GATEWAY,
                                 .crypto = g->mint.crypto,
                                 .memory = &g->memory,
                                 .rng = &g->rng,
                                 .keys = {keys.up, keys.down},
                                 .peer = *from,
                                 .is_validated = v->init.cookie.n > 0,
                                 .received_bytes = (uint32_t)init_len,
                                 .early = true,
                                 .frames_max = 2000,
                                 .ackdelay_ms = 5,
                                 .inbox = 256};
    memcpy(cfg.cid, said.cid, 8);
    sp_link_init(&s->link, &cfg, now);
    g->accepts++;
    memcpy(reply, s->accept, s->accept_len);
    return s->accept_len;
}

static inline size_t gate_init_datagram(struct gate *g, uint8_t *p, size_t len, const struct sp_addr *from,
                                        uint8_t *reply, sp_time now)
{
    static const uint8_t cookie[SP_COOKIE_LEN] = {0xc0, 0x0c};
    struct mint_visit v;
    int rc = mint_open(&g->mint, p, len, (uint32_t)(g->unix_s + now / SP_SECOND), &v);
    if (rc != 0)
        return 0;
    if (g->wants_cookie && v.init.cookie.n == 0) {
        g->retries++;
        return mint_retry(p, cookie, reply);
    }
    g->cookies += v.init.cookie.n > 0 ? 1 : 0;
    for (size_t i = 0; i < GATE_SESSIONS; i++)
        if (g->sessions[i].is_used && memcmp(g->sessions[i].e, v.init.e, 32) == 0) {
            memcpy(reply, g->sessions[i].accept, g->sessions[i].accept_len);
            return g->sessions[i].accept_len;
        }
    return gate_open_session(g, &v, from, len, reply, now);
}

static inline void gate_link_events(struct gate *g, struct gate_session *s, sp_time now)
{
    struct sp_link_event ev;
    while (s->is_used && sp_link_poll(&s->link, &ev) == 0) {
        if (ev.kind == SP_LINK_UP) {
            struct gate_session *old = gate_session_of(g, s->user);
            if (old != NULL)
                sp_link_close(&old->link, SP_CLOSE_REPLACED, 0, now);
            if (old != NULL)
                old->is_up = false;
            s->is_up = true;
        } else if (ev.kind == SP_LINK_CLOSED) {
            if (!ev.is_local) {
                g->closes++;
                g->last_close = ev.close.code;
            }
            s->is_up = false;
        }
    }
    if (s->is_used && sp_link_is_finished(&s->link, now)) {
        sp_link_wipe(&s->link);
        s->is_used = false;
    }
}

/* Takes one datagram; returns the length of an answer outside of sessions. */
static inline size_t gate_receive(struct gate *g, uint8_t *p, size_t len, const struct sp_addr *from,
                                  uint8_t *reply, sp_time now)
{
    if (len > 0 && p[0] == SP_FIRST_INIT)
        return gate_init_datagram(g, p, len, from, reply, now);
    if (len < SP_DATA_UP_OVERHEAD || (p[0] & 0xfe) != SP_FIRST_DATA)
        return 0;
    uint8_t serial = p[2];
    for (size_t i = 0; i < GATE_SESSIONS; i++) {
        struct gate_session *s = &g->sessions[i];
        if (!s->is_used || s->serial != serial)
            continue;
        struct sp_datagram in = {.peer = *from, .p = p, .len = len, .cap = len};
        struct sp_frame f;
        int rc = sp_link_receive(&s->link, &in, now);
        gate_link_events(g, s, now);
        while (rc == 0 && s->is_used && sp_link_next(&s->link, &f) == 0)
            gate_frame(g, s, &f, now);
        gate_link_events(g, s, now);
        return 0;
    }
    uint8_t token[16];
    if (g->is_mute_reset)
        return 0;
    memset(token, serial, sizeof token);
    g->resets++;
    return mint_reset(token, reply);
}

static inline bool gate_transmit(struct gate *g, struct sp_datagram *out, sp_time now)
{
    for (size_t i = 0; i < GATE_SESSIONS; i++) {
        struct gate_session *s = &g->sessions[i];
        if (!s->is_used)
            continue;
        int rc = sp_link_transmit(&s->link, out, now);
        gate_link_events(g, s, now);
        if (rc == 0)
            return true;
    }
    return false;
}

static inline sp_time gate_deadline(const struct gate *g)
{
    sp_time at = SP_NEVER;
    for (size_t i = 0; i < GATE_SESSIONS; i++) {
        sp_time due = g->sessions[i].is_used ? sp_link_deadline(&g->sessions[i].link) : SP_NEVER;
        at = due < at ? due : at;
    }
    return at;
}

#endif
