/* A message's way: known? refused before? in order? then to the store, and from its answer to all who are to
 * know. */
#include "svc_send.h"

#include "bug.h"
#include "core.h"
#include "svc_notify.h"
#include "svc_receipt.h"
#include "svc_status.h"

#include <string.h>

#define LOOKS_MAX 3
#define MSG_N_FLAGS                                                                                          \
    (SP_MSG_FOUR | 3U << SP_MSG_CLASS_SHIFT) /* what msg:N carries over from msg:R (ruling 31) */

void sp_svc_send_init(struct sp_gateway *g)
{
    sp_table_init(&g->sends_by_id, &g->arena, SP_CONF_SENDS_MAX);
    sp_arena_pool(&g->arena, &g->sends, sizeof(struct sp_send), SP_CONF_SENDS_MAX);
    sp_list_init(&g->holds);
}

static struct sp_send *find(const struct sp_gateway *g, const struct sp_device *d, struct sp_msgid id)
{
    struct sp_hook *h = sp_gateway_first_of(g, &g->sends_by_id, d, id);
    for (; h != NULL; h = sp_table_next(h)) {
        struct sp_send *m = SP_TABLE_ITEM(h, struct sp_send, hook);
        if (m->device == d && m->msgid.v == id.v)
            return m;
    }
    return NULL;
}

bool sp_svc_send_is_pending(const struct sp_gateway *g, const struct sp_device *d, struct sp_msgid id)
{
    return find(g, d, id) != NULL;
}

void sp_svc_send_ended(const struct sp_gateway *g, const struct sp_device *d, struct sp_msgid id,
                       uint8_t state)
{
    struct sp_send *m = find(g, d, id);
    if (m != NULL)
        m->ended = state;
}

/* msg:A with an error.  Definite ones but those that the dedup rows decide are kept, so that a late copy gets
 * the same (section 5.3 rule 2); too many of them end the session. */
static void refuse(struct sp_gateway *g, struct sp_device *d, struct sp_msgid id, uint8_t code, sp_time now)
{
    struct sp_session *s = d->session;
    bool is_busy = code == SP_CODE_BUSY;
    if (is_busy)
        g->stats.messages_busy++;
    else
        g->stats.messages_refused++;
    if (!is_busy)
        sp_witness_refused(g, d, id, code);
    if (s == NULL)
        return;
    struct sp_frame f = {.kind = SP_KIND_MSG_A,
                         .u.msg_a = {.code = code, .msgid = id, .retry = is_busy ? SP_CONF_BUSY_RETRY : 0}};
    (void)sp_session_send(g, s, &f, 0, now);
    if (is_busy || code == SP_CODE_ID_REUSED || code == SP_CODE_DUP_EXPIRED)
        return;
    if (sp_dedup_add(&s->refused, id, code) != 0) {
        g->stats.sessions_refused++;
        sp_session_close(g, s, SP_CLOSE_LIMIT, 0, now);
    }
}

static uint8_t code_of(int err)
{
    switch (err) {
    case SP_EREUSED:
        return SP_CODE_ID_REUSED;
    case SP_EEXPIRED:
        return SP_CODE_DUP_EXPIRED;
    case SP_EQUOTA:
        return SP_CODE_QUOTA;
    case SP_ESEQ:
        return SP_CODE_SEQ_EXHAUSTED;
    case SP_ENOSPACE:
        return SP_CODE_FULL;
    case SP_EBIG:
        return SP_CODE_TOO_BIG;
    case SP_EFORBIDDEN:
        return SP_CODE_FORBIDDEN;
    case SP_ENOGROUP:
        return SP_CODE_NO_USER;
    case SP_EBAD:
        return SP_CODE_BAD;
    default: /* SP_EBUSY, SP_EAGAIN, and what nothing is known about: safe to repeat */
        return SP_CODE_BUSY;
    }
}

static bool was_refused(const struct sp_device *d, struct sp_msgid id)
{
    uint8_t code;
    return d->session != NULL && sp_dedup_find(&d->session->refused, id, &code) == 0;
}

/* Body hash: BLAKE2b-256 over g:1, tlen:1, to, whole body; the first 8 bytes (ruling 45). */
static void body_hash(const struct sp_gateway *g, const struct sp_send *m, uint8_t out[8])
{
    uint8_t full[32], head[2] = {0, m->to_len};
    struct sp_view parts[3] = {{head, sizeof head}, {m->to, m->to_len}, {m->body, m->body_len}};
    g->crypto->blake2b(g->crypto->self, full, sizeof full, (struct sp_view){NULL, 0}, parts, 3);
    memcpy(out, full, 8);
}

static void answered(struct sp_gateway *g, struct sp_ask *ask, const struct sp_store_done *done, sp_time now);

/* Hands a message to the store. */
static void submit(struct sp_gateway *g, struct sp_send *m)
{
    const struct sp_device *d = m->device;
    struct sp_store_req *req = &m->ask.req;
    if (m->after.v != 0 && was_refused(d, m->after))
        m->after.v = 0; /* a refused predecessor lets its followers go (G11) */
    m->ask.to.id = (struct sp_view){m->to, m->to_len};
    m->ask.answer = answered;
    req->op = SP_STORE_APPEND;
    req->from = (struct sp_origin){{sp_peers_user(d->account)}, d->number, m->msgid};
    req->after = m->after;
    req->to = &m->ask.to;
    req->to_n = 1;
    req->body = (struct sp_view){m->body, m->body_len};
    req->at_us = m->at_us;
    sp_batch_add(&g->batch, &m->ask);
}

static void unhold(struct sp_send *m)
{
    struct sp_device *d = m->device;
    if (!sp_list_has(&m->hold))
        return;
    sp_list_remove(&m->node);
    sp_list_remove(&m->hold);
    SP_ASSERT(d->holds_n > 0);
    d->holds_n--;
    d->holds_bytes -= m->body_len;
}

/* Parks a message until the one in AFTER is seen.  False: this device has too many parked. */
static bool hold(struct sp_gateway *g, struct sp_send *m)
{
    struct sp_device *d = m->device;
    if (d->holds_n >= SP_CONF_HOLD_MAX || d->holds_bytes + m->body_len > SP_CONF_HOLD_BYTES)
        return false;
    sp_list_append(&d->holds, &m->node);
    struct sp_node *at = &g->holds.head; /* by time: a message that is held again goes before newer ones */
    while (at->prev != &g->holds.head &&
           SP_LIST_ITEM(at->prev, struct sp_send, hold)->held_until > m->held_until)
        at = at->prev;
    sp_list_insert(at, &m->hold);
    d->holds_n++;
    d->holds_bytes += m->body_len;
    g->stats.messages_held++;
    return true;
}

static struct sp_send *follower_of(struct sp_device *d, struct sp_msgid id)
{
    struct sp_node *node;
    SP_LIST_FOREACH (node, &d->holds) {
        struct sp_send *m = SP_LIST_ITEM(node, struct sp_send, node);
        if (m->after.v == id.v)
            return m;
    }
    return NULL;
}

/* Submits what waited for `id`, and what waited for that, in order: one batch carries the whole chain. */
static void release(struct sp_gateway *g, struct sp_device *d, struct sp_msgid id)
{
    if (sp_list_is_empty(&d->holds))
        return;
    struct sp_msgid ids[1 + SP_CONF_HOLD_MAX] = {id};
    size_t n = 1;
    for (size_t i = 0; i < n; i++) {
        struct sp_send *m;
        while ((m = follower_of(d, ids[i])) != NULL) {
            SP_ASSERT(n <= SP_CONF_HOLD_MAX);
            ids[n++] = m->msgid;
            unhold(m);
            m->is_retried = false;
            submit(g, m);
        }
    }
}

/* The message's fate is known, or it is given up: its slot goes back.  Who waited for it goes on, unless it
 * comes again after BUSY: then they wait for that. */
static void finish(struct sp_gateway *g, struct sp_send *m, bool is_busy, sp_time now)
{
    struct sp_device *d = m->device;
    struct sp_msgid id = m->msgid;
    unhold(m);
    sp_table_remove(&g->sends_by_id, &m->hook);
    sp_pool_give(&g->sends, m);
    if (!is_busy)
        release(g, d, id);
    sp_svc_status_settled(g, d, now);
    SP_ASSERT(d->sends_n > 0);
    d->sends_n--;
    sp_peers_release(&g->peers, d);
}

/* The sender's answer for a durable message; nowhere else is msg:A(OK) built (trust.md, rule 2 of section 3).
 */
static void answer_ok(struct sp_gateway *g, const struct sp_send *m, const struct sp_store_done *done,
                      uint8_t state, sp_time now)
{
    struct sp_device *d = m->device;
    SP_ASSERT(done->err == 0);
    SP_ASSERT(done->commit != 0);
    sp_witness_stored(g, &m->ask.req, done, state);
    if ((m->flags & SP_MSG_FOUR) != 0) { /* ack:N answers: at once for a repeat or an absent recipient */
        if (done->repeat || state != SP_STATE_ACCEPTED)
            sp_svc_receipt_owe(g, d, m->msgid, state, now);
        return;
    }
    if (d->session == NULL)
        return;
    struct sp_frame f; /* most of it is for other kinds: not worth zeroing */
    f.kind = SP_KIND_MSG_A;
    f.u.msg_a =
        (struct sp_frame_msg_a){.code = SP_CODE_OK, .state = state, .msgid = m->msgid, .seq = done->seq};
    (void)sp_session_send(g, d->session, &f, 0, now);
}

/* State of a durable message as its sender is to know it: an open one is 1 while its recipient is there to
 * confirm it, else 2 (section 5.3 rule 5). */
static uint8_t state_of(const struct sp_gateway *g, const struct sp_send *m, const struct sp_store_done *done,
                        bool is_present)
{
    if (done->state != SP_STATE_ACCEPTED)
        return (uint8_t)done->state;
    if (m->ended != 0)
        return m->ended;
    if (done->repeat)
        return sp_watch_has(g, m->device, m->msgid) ? SP_STATE_ACCEPTED : SP_STATE_STORED;
    return is_present ? SP_STATE_ACCEPTED : SP_STATE_STORED;
}

static void notify(struct sp_gateway *g, const struct sp_send *m, struct sp_account *to, struct sp_seq seq,
                   sp_time now)
{
    struct sp_frame f;
    f.kind = SP_KIND_MSG_N;
    f.u.msg_n = (struct sp_frame_msg_n){.flags = (uint8_t)(m->flags & MSG_N_FLAGS),
                                        .seq = seq,
                                        .msgid = m->msgid,
                                        .device = m->device->number,
                                        .at_ms = (uint64_t)m->at_us / 1000,
                                        .from = sp_peers_user(m->device->account),
                                        .body = {m->body, m->body_len}};
    sp_svc_notify_message(g, to, &f, now);
}

static void stored(struct sp_gateway *g, const struct sp_send *m, const struct sp_store_done *done,
                   sp_time now)
{
    struct sp_account *to = sp_peers_find_account(&g->peers, m->ask.to.id);
    bool is_present = to != NULL && sp_peers_is_present(to);
    if (done->repeat)
        g->stats.messages_repeated++;
    else
        g->stats.messages_stored++;
    if (to != NULL)
        sp_peers_note_numbers(to, done);
    uint8_t state = state_of(g, m, done, is_present);
    if (to != NULL && done->state == SP_STATE_ACCEPTED && m->ended == 0) {
        if (is_present && !done->repeat)
            sp_watch_add(g, m->device, m->msgid, to, (m->flags & SP_MSG_FOUR) != 0, now);
        notify(g, m, to, done->seq, now);
    }
    sp_svc_receipt_correct(g, m->device, m->msgid, state, now);
    answer_ok(g, m, done, state,
              now); /* after the last use of `to`: room for a receipt may cost an absent user's record */
    if (done->entries_n > 1) /* pushed out of a full mailbox */
        sp_svc_receipt_entries(g, done->entries + 1, done->entries_n - 1, now);
}

/* The store has not seen the one in AFTER.  True: the message goes on waiting; false: it is to be told BUSY.
 */
static bool wait_again(struct sp_gateway *g, struct sp_send *m, sp_time now)
{
    if (m->held_until <= now)
        return false;
    bool is_pending = sp_svc_send_is_pending(g, m->device, m->after);
    if (was_refused(m->device, m->after) || (!is_pending && !m->is_retried)) {
        m->is_retried = true; /* an OK may have overtaken this answer */
        submit(g, m);
        return true;
    }
    return hold(g, m);
}

static void looked(struct sp_gateway *g, struct sp_ask *ask, const struct sp_store_done *done, sp_time now);

/* Nobody knows whether the message is in the mailbox.  Its sender finds out by asking; a recipient with a
 * session hears of it only if we look.  False: there is none, or we looked often enough. */
static bool look(struct sp_gateway *g, struct sp_send *m)
{
    if (m->looks == LOOKS_MAX || sp_peers_find_account(&g->peers, m->ask.to.id) == NULL)
        return false;
    m->looks++;
    m->ask.answer = looked;
    m->ask.req.op = SP_STORE_HEAD;
    sp_batch_add(&g->batch, &m->ask);
    return true;
}

static void looked(struct sp_gateway *g, struct sp_ask *ask, const struct sp_store_done *done, sp_time now)
{
    struct sp_send *m = SP_LIST_ITEM(ask, struct sp_send, ask);
    struct sp_account *to = sp_peers_find_account(&g->peers, m->ask.to.id);
    if (done->err == SP_EUNKNOWN && look(g, m))
        return;
    if (done->err == 0 && to != NULL) {
        sp_peers_note_numbers(to, done);
        sp_svc_notify_news(g, to, done->svr_seq.v, now);
    }
    finish(g, m, false, now);
}

/* A store that is busy has done nothing, but an earlier try of this request, whose answer was lost, may have.
 */
static bool is_unknown(const struct sp_ask *ask, const struct sp_store_done *done)
{
    return done->err == SP_EUNKNOWN || done->err == SP_EFAILED || (done->err == SP_EBUSY && ask->repeats > 0);
}

static void answered(struct sp_gateway *g, struct sp_ask *ask, const struct sp_store_done *done, sp_time now)
{
    struct sp_send *m = SP_LIST_ITEM(ask, struct sp_send, ask);
    uint8_t code = SP_CODE_OK;
    if (done->err == SP_EAGAIN && wait_again(g, m, now))
        return;
    if (done->err == 0) {
        stored(g, m, done, now);
    } else if (is_unknown(ask, done)) {
        g->stats.messages_unknown++; /* no answer is the true answer */
        if (done->err != SP_EFAILED && look(g, m))
            return;
    } else {
        code = code_of(done->err);
        refuse(g, m->device, m->msgid, code, now);
    }
    finish(g, m, code == SP_CODE_BUSY, now);
}

/* A new message with all that does not change from try to try; NULL: no room. */
static struct sp_send *take(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_msg_r *f,
                            sp_time now)
{
    struct sp_device *d = s->device;
    if (d->sends_n >= SP_CONF_INBOX)
        return NULL;
    struct sp_send *m = sp_pool_take(&g->sends);
    if (m == NULL)
        return NULL;
    SP_ASSERT(f->to.n <= SP_USER_MAX);
    SP_ASSERT(f->body.n <= SP_PART_MAX);
    m->device = d;
    m->msgid = f->msgid;
    m->flags = f->flags;
    if ((f->flags & SP_MSG_AFTER) != 0)
        m->after = f->after;
    m->to_len = (uint8_t)f->to.n;
    memcpy(m->to, f->to.p, f->to.n);
    m->body_len = f->body.n;
    if (f->body.n > 0)
        memcpy(m->body, f->body.p, f->body.n);
    m->at_us = sp_gateway_unix_us(g, now);
    m->held_until = now + SP_CONF_HOLD_LIFE;
    uint32_t ttl_s = g->cfg.message_ttl_s;
    if ((f->flags & SP_MSG_TTL) != 0 && f->ttl_s < ttl_s)
        ttl_s = f->ttl_s;
    m->ask.req.expires_us = m->at_us + (int64_t)ttl_s * 1000000;
    /* The store refuses a new message so, but a repeat of a durable one is OK whatever the rights are now
     * (G4). */
    m->ask.req.deny = (s->rights & SP_RIGHT_SEND) != 0 ? 0 : SP_EFORBIDDEN;
    body_hash(g, m, m->ask.req.hash);
    sp_table_add(&g->sends_by_id, &m->hook, sp_gateway_id_hash(g, d, m->msgid));
    d->sends_n++;
    return m;
}

/* Forms that this gateway never stores, or that it refused before. */
static bool refuse_early(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_msg_r *f,
                         sp_time now)
{
    uint8_t code;
    bool is_known = sp_dedup_find(&s->refused, f->msgid, &code) == 0;
    bool is_part = (f->flags & SP_MSG_FRAG) != 0;
    if (is_part && is_known)
        return true; /* one answer for all parts */
    if (is_part)
        code = SP_CODE_TOO_BIG;
    else if (!is_known && (f->flags & SP_MSG_GROUP) != 0)
        code = SP_CODE_NO_USER;
    else if (!is_known)
        return false;
    refuse(g, s->device, f->msgid, code, now);
    return true;
}

void sp_svc_send_receive(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_msg_r *f,
                         sp_time now)
{
    struct sp_device *d = s->device;
    g->stats.messages_received++;
    if (refuse_early(g, s, f, now))
        return;
    if (sp_svc_send_is_pending(g, d, f->msgid)) {
        g->stats.messages_joined++;
        return;
    }
    struct sp_send *m = take(g, s, f, now);
    if (m == NULL) {
        refuse(g, d, f->msgid, SP_CODE_BUSY, now);
        return;
    }
    const struct sp_send *before = m->after.v != 0 ? find(g, d, m->after) : NULL;
    if (before == NULL || before->ask.is_out) { /* whether it was ever seen, the store knows */
        submit(g, m);
        release(g, d, m->msgid);
    } else if (!hold(g, m)) {
        refuse(g, d, m->msgid, SP_CODE_BUSY, now);
        finish(g, m, true, now);
    }
}

static void finished(struct sp_gateway *g, struct sp_ask *ask, const struct sp_store_done *done, sp_time now);

static void ask_finish(struct sp_gateway *g, struct sp_device *d, sp_time now)
{
    d->finish.answer = finished;
    d->finish.req = (struct sp_store_req){.op = SP_STORE_FINISH,
                                          .from = {{sp_peers_user(d->account)}, d->number, d->finish_next},
                                          .at_us = sp_gateway_unix_us(g, now)};
    sp_batch_add(&g->batch, &d->finish);
}

static void finished(struct sp_gateway *g, struct sp_ask *ask, const struct sp_store_done *done, sp_time now)
{
    struct sp_device *d = SP_LIST_ITEM(ask, struct sp_device, finish);
    if (done->err != 0)
        g->stats.store_unknown++; /* a lost DONE costs nothing but rows */
    if (d->finish_next.v > ask->req.from.msgid.v)
        ask_finish(g, d, now);
    sp_peers_release(&g->peers, d);
}

void sp_svc_send_done(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_done *f, sp_time now)
{
    struct sp_device *d = s->device;
    if (f->msgid.v <= d->finish_next.v)
        return;
    d->finish_next = f->msgid;
    if (!d->finish.is_out)
        ask_finish(g, d, now);
}

void sp_svc_send_step(struct sp_gateway *g, sp_time now)
{
    struct sp_node *node;
    while ((node = sp_list_first(&g->holds)) != NULL) {
        struct sp_send *m = SP_LIST_ITEM(node, struct sp_send, hold);
        if (m->held_until > now)
            return;
        refuse(g, m->device, m->msgid, SP_CODE_BUSY, now);
        finish(g, m, true, now);
    }
}

sp_time sp_svc_send_deadline(const struct sp_gateway *g)
{
    struct sp_node *node = sp_list_first(&g->holds);
    return node == NULL ? SP_NEVER : SP_LIST_ITEM(node, const struct sp_send, hold)->held_until;
}
