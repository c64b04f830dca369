/* Entries move between lists by phase; each list is walked only when something in it may be due.  The table
 * of section 5.2 is spread over storage, leaving the unanswered and answers here, and sending in
 * outbox_send.c. */
#include "outbox.h"

#include "bug.h"
#include "receipt.h"
#include <sampan/err.h>

#include <string.h>

#define BUSY_UNIT_US (100 * SP_MS)
#define MISSES_MAX   2

#define ENTRY(node, member) SP_LIST_ITEM(node, struct sp_outbox_entry, member)
#define TALK(node)          SP_LIST_ITEM(node, struct sp_conversation, in_turn)

/* ---- Storage ---- */

static size_t round_up(size_t max)
{
    size_t n = 1;
    while (n < max)
        n *= 2;
    return n;
}

static size_t buckets_len(size_t max)
{
    const size_t align = _Alignof(max_align_t);
    return (round_up(max) * sizeof(struct sp_outbox_entry *) + align - 1) / align * align;
}

size_t sp_outbox_footprint(size_t max)
{
    return buckets_len(max) + sp_pool_footprint(sizeof(struct sp_outbox_entry), max) +
           sp_conversation_footprint(round_up(max));
}

/* Msgids count up, so their low bits spread them evenly. */
static struct sp_outbox_entry **bucket(const struct sp_outbox *o, struct sp_msgid id)
{
    return &o->buckets[id.v & o->mask];
}

struct sp_outbox_entry *sp_outbox_find(const struct sp_outbox *o, struct sp_msgid id)
{
    struct sp_outbox_entry *e = *bucket(o, id);
    while (e != NULL && e->msgid.v != id.v)
        e = e->hash_next;
    return e;
}

int64_t sp_outbox_unix(const struct sp_outbox *o, sp_time now)
{
    return o->unix_s + (now - o->unix_at) / SP_SECOND;
}

/* The row of an entry; its body stays as it is. */
int sp_outbox_put_row(struct sp_outbox *o, const struct sp_outbox_entry *e, sp_time now)
{
    struct sp_outgoing row = {.msgid = e->msgid,
                              .to = {e->talk->to, e->talk->to_len},
                              .flags = e->flags,
                              .expires_s = e->expires_s,
                              .state = e->mark != 0 ? e->mark : e->state,
                              .first_s = e->first_s};
    return sp_ledger_put(o->ledger, &row, now);
}

static struct sp_msgid head_of(struct sp_conversation *talk)
{
    return ENTRY(sp_list_first(&talk->queued), in_phase)->msgid;
}

/* Among those that may send, the one with the oldest message is first.  Most come with a newer one than all
 * others, or, after a session was lost, with older ones. */
static void activate(struct sp_outbox *o, struct sp_conversation *talk)
{
    struct sp_node *at = &o->active.head;
    if (!sp_list_is_empty(&o->active) && head_of(TALK(o->active.head.prev)).v > head_of(talk).v)
        SP_LIST_FOREACH (at, &o->active)
            if (head_of(TALK(at)).v > head_of(talk).v)
                break;
    sp_list_insert(at, &talk->in_turn);
}

/* A conversation's place among those that may send and those that wait, after anything about it changed. */
void sp_outbox_place(struct sp_outbox *o, struct sp_conversation *talk, sp_time now)
{
    sp_list_remove(&talk->in_turn);
    if (sp_list_is_empty(&talk->queued))
        return;
    sp_time not_before = ENTRY(sp_list_first(&talk->queued), in_phase)->not_before;
    if (not_before > now && not_before < o->rest_due)
        o->rest_due = not_before;
    if (not_before > now || talk->in_flight >= SP_CONVERSATION_FLIGHT_MAX)
        sp_list_append(&o->resting, &talk->in_turn);
    else
        activate(o, talk);
}

/* Puts an entry among the queued of its conversation.  Those that come back are older than those that wait,
 * so the walk from the front is short. */
static void enqueue(struct sp_outbox *o, struct sp_outbox_entry *e, sp_time now)
{
    struct sp_list *queued = &e->talk->queued;
    struct sp_node *at = &queued->head;
    bool is_newest = sp_list_is_empty(queued) || ENTRY(queued->head.prev, in_phase)->msgid.v < e->msgid.v;
    if (!is_newest)
        SP_LIST_FOREACH (at, queued)
            if (ENTRY(at, in_phase)->msgid.v > e->msgid.v)
                break;
    e->phase = SP_OUTBOX_QUEUED;
    sp_list_insert(at, &e->in_phase);
    sp_outbox_place(o, e->talk, now);
}

/* A new entry without news; NULL when all places are taken. */
static struct sp_outbox_entry *add(struct sp_outbox *o, const struct sp_outgoing *m)
{
    struct sp_outbox_entry *e = sp_pool_take(&o->entries);
    if (e == NULL)
        return NULL;
    e->talk = sp_conversation_enter(&o->talks, m->to);
    SP_ASSERT(e->talk != NULL); /* there are as many conversations as entries */
    e->msgid = m->msgid;
    e->first_s = m->first_s;
    e->flags = m->flags;
    e->expires_s = m->expires_s;
    sp_pending_init(&e->wait);
    e->hash_next = *bucket(o, m->msgid);
    *bucket(o, m->msgid) = e;
    sp_list_append(&o->order, &e->in_order);
    return e;
}

/* Takes an entry out of every list and gives its slot back. */
void sp_outbox_release(struct sp_outbox *o, struct sp_outbox_entry *e)
{
    struct sp_outbox_entry **at = bucket(o, e->msgid);
    while (*at != e)
        at = &(*at)->hash_next;
    *at = e->hash_next;
    sp_list_remove(&e->in_order);
    sp_list_remove(&e->in_phase);
    sp_list_remove(&e->in_talk);
    sp_list_remove(&e->in_news);
    sp_conversation_leave(&o->talks, e->talk);
    sp_pool_give(&o->entries, e);
}

/* The app knows the end: the row goes, now or when local storage works again. */
void sp_outbox_let_go(struct sp_outbox *o, struct sp_outbox_entry *e, sp_time now)
{
    sp_list_remove(&e->in_news);
    sp_list_remove(&e->in_phase);
    e->phase = SP_OUTBOX_TOLD;
    if (sp_ledger_drop(o->ledger, e->msgid, now) == 0)
        sp_outbox_release(o, e);
    else
        sp_list_append(&o->told, &e->in_phase);
}

static void note_news(struct sp_outbox *o, struct sp_outbox_entry *e)
{
    if (!sp_list_has(&e->in_news))
        sp_list_append(&o->news, &e->in_news);
}

/* Waits T2 of its level; a list per level keeps entries in the order in which they come due. */
static void wait_safe(struct sp_outbox *o, struct sp_outbox_entry *e, sp_time now)
{
    unsigned level = e->wait.tries < SP_OUTBOX_LEVELS ? e->wait.tries : SP_OUTBOX_LEVELS - 1;
    sp_list_remove(&e->in_phase);
    sp_list_append(&o->safe[level], &e->in_phase);
    if (o->safe_n <= level)
        o->safe_n = level + 1;
    e->is_asked = false;
    e->wait.is_waiting = true;
    e->wait.due = now + sp_rng_jitter(o->rng, sp_pending_wait_us(SP_PENDING_T2, level, 0), 20);
}

/* What local storage remembers of an entry, as phase. */
static void revive(struct sp_outbox *o, struct sp_outbox_entry *e, uint8_t state, sp_time now)
{
    if (state >= SP_OUTBOX_MARK_FAILED) {
        e->phase = SP_OUTBOX_ENDED;
        e->mark = state;
        e->is_marked = true;
        note_news(o, e);
        return;
    }
    e->state = state;
    if (sp_receipt_is_safe(state)) {
        e->phase = SP_OUTBOX_SAFE;
        wait_safe(o, e, now);
        return;
    }
    sp_list_append(&e->talk->unanswered, &e->in_talk);
    enqueue(o, e, now);
}

/* Whether a row is one that this outbox can have written. */
static bool is_row(const struct sp_outgoing *m)
{
    bool is_state = m->state <= SP_STATE_STORED || m->state >= SP_OUTBOX_MARK_FAILED;
    return is_state && m->to.n >= 1 && m->to.n <= SP_USER_MAX && m->body.n <= SP_PART_MAX;
}

static int load(struct sp_outbox *o, sp_time now)
{
    const struct sp_local *local = o->ledger->local;
    struct sp_msgid after = {0};
    for (;;) {
        struct sp_outgoing m = {0};
        int rc = local->next(local->self, after, &m);
        if (rc == SP_EAGAIN)
            return 0;
        if (rc != 0)
            return rc;
        if (m.msgid.v <= after.v || !is_row(&m))
            return SP_ECORRUPT;
        after = m.msgid;
        if (o->last.v < m.msgid.v)
            o->last = m.msgid;
        struct sp_outbox_entry *e = add(o, &m);
        if (e == NULL)
            return SP_EFULL;
        revive(o, e, m.state, now);
    }
}

static void init_lists(struct sp_outbox *o)
{
    struct sp_list *lists[] = {&o->order,   &o->news,  &o->told, &o->active,
                               &o->resting, &o->ready, &o->sent, &o->asked};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        sp_list_init(lists[i]);
    for (size_t i = 0; i < SP_OUTBOX_LEVELS; i++)
        sp_list_init(&o->safe[i]);
}

int sp_outbox_init(struct sp_outbox *o, void *mem, const struct sp_outbox_config *cfg,
                   const struct sp_local_state *state, sp_time now)
{
    SP_ASSERT(cfg->max >= 1);
    SP_ASSERT(cfg->max <= SP_OUTBOX_MAX);
    memset(o, 0, sizeof *o);
    o->ledger = cfg->ledger;
    o->rng = cfg->rng;
    o->max = cfg->max;
    o->mask = round_up(cfg->max) - 1;
    o->unix_s = cfg->unix_s;
    o->unix_at = now;
    o->flight_max = SP_OUTBOX_FLIGHT_MAX;
    o->rest_due = o->sent_due = SP_NEVER;
    o->expiry_at = now; /* the first step looks */
    init_lists(o);
    sp_ask_init(&o->ask, cfg->rng);
    uint8_t *at = mem;
    o->buckets = mem;
    memset(mem, 0, buckets_len(cfg->max));
    at += buckets_len(cfg->max);
    sp_pool_init(&o->entries, at, sizeof(struct sp_outbox_entry), cfg->max);
    at += sp_pool_footprint(sizeof(struct sp_outbox_entry), cfg->max);
    sp_conversation_init(&o->talks, at, round_up(cfg->max));
    /* Msgids rise over restarts: install epoch above, counter below (docs/protocol.md, section 1). */
    o->last = state->last;
    if (o->last.v == 0) {
        uint64_t epoch = state->install_epoch != 0 ? state->install_epoch : (uint64_t)(uint32_t)cfg->unix_s;
        o->last.v = (epoch != 0 ? epoch : 1) << 32;
    }
    return load(o, now);
}

int sp_outbox_submit(struct sp_outbox *o, const struct sp_outgoing *m, struct sp_msgid *id, sp_time now)
{
    static const uint8_t nothing[1] = {0};
    if (m->to.n < 1 || m->to.n > SP_USER_MAX)
        return SP_EINVAL;
    if (m->body.n > SP_PART_MAX)
        return SP_EBIG;
    if (o->entries.used >= o->max)
        return SP_EFULL;
    struct sp_outgoing row = {.msgid = {o->last.v + 1},
                              .to = m->to,
                              .body = {m->body.n > 0 ? m->body.p : nothing, m->body.n},
                              .flags = m->flags & SP_OUT_FOUR,
                              .expires_s = m->expires_s};
    int rc = sp_ledger_put(o->ledger, &row, now);
    if (rc != 0)
        return rc;
    o->last = row.msgid;
    struct sp_outbox_entry *e = add(o, &row);
    SP_ASSERT(e != NULL);
    sp_list_append(&e->talk->unanswered, &e->in_talk);
    enqueue(o, e, now);
    *id = row.msgid;
    return 0;
}

int sp_outbox_forget(struct sp_outbox *o, struct sp_msgid id, sp_time now)
{
    struct sp_outbox_entry *e = sp_outbox_find(o, id);
    if (e == NULL || e->phase != SP_OUTBOX_SAFE)
        return SP_EAGAIN;
    int rc = sp_ledger_drop(o->ledger, id, now);
    if (rc == 0)
        sp_outbox_release(o, e);
    return rc;
}

/* ---- Leaving the unanswered ---- */

/* An answer came, of whatever kind: the entry leaves its conversation's order, and what waits behind it may
 * go. */
static void leave_unanswered(struct sp_outbox *o, struct sp_outbox_entry *e, sp_time now)
{
    bool was_in_flight = e->phase == SP_OUTBOX_SENT || e->phase == SP_OUTBOX_READY;
    sp_list_remove(&e->in_phase);
    sp_list_remove(&e->in_talk);
    sp_pending_stop(&e->wait);
    if (was_in_flight) {
        e->talk->in_flight--;
        o->flight--;
    }
    sp_outbox_place(o, e->talk, now);
}

/* Back to the queue under the same msgid; `rest_us` from now on. */
static void requeue(struct sp_outbox *o, struct sp_outbox_entry *e, sp_time rest_us, sp_time now)
{
    SP_ASSERT(e->phase == SP_OUTBOX_SENT || e->phase == SP_OUTBOX_READY);
    sp_list_remove(&e->in_phase);
    sp_pending_stop(&e->wait);
    e->talk->in_flight--;
    o->flight--;
    e->is_asked = false;
    e->not_before = rest_us > 0 ? now + rest_us : 0;
    enqueue(o, e, now);
}

/* Ends an unanswered or safe entry without a receipt.  The mark is durable before the app is told: a message
 * whose end it knows must not be sent again after a restart. */
void sp_outbox_end(struct sp_outbox *o, struct sp_outbox_entry *e, uint8_t mark, sp_time now)
{
    if (e->phase == SP_OUTBOX_SAFE)
        sp_list_remove(&e->in_phase);
    else
        leave_unanswered(o, e, now);
    e->phase = SP_OUTBOX_ENDED;
    e->mark = mark;
    e->is_marked = sp_outbox_put_row(o, e, now) == 0;
    note_news(o, e);
}

/* ---- Answers ---- */

static bool is_unanswered(const struct sp_outbox_entry *e)
{
    return e->phase == SP_OUTBOX_QUEUED || e->phase == SP_OUTBOX_READY || e->phase == SP_OUTBOX_SENT;
}

/* The message is in `state`, says the gateway.  true: that ended its waiting for an answer. */
static bool rise(struct sp_outbox *o, struct sp_outbox_entry *e, uint8_t state, sp_time now)
{
    bool was_unanswered = is_unanswered(e);
    if (e->phase == SP_OUTBOX_TOLD || e->mark != 0 || !sp_receipt_rises(e->state, state))
        return false;
    e->state = state;
    if (was_unanswered)
        leave_unanswered(o, e, now);
    if (sp_receipt_is_final(state)) {
        sp_list_remove(&e->in_phase);
        e->phase = SP_OUTBOX_ENDED;
    } else {
        e->phase = SP_OUTBOX_SAFE;
        e->misses = 0;
        e->wait.tries = 0;
        wait_safe(o, e, now);
        (void)sp_outbox_put_row(o, e, now); /* if it fails, a restart sends once more and learns the same */
    }
    note_news(o, e);
    return was_unanswered;
}

static void rest_busy(struct sp_outbox *o, struct sp_outbox_entry *e, uint16_t retry, sp_time now)
{
    sp_time wait = (retry > 0 ? retry : 10) * BUSY_UNIT_US;
    requeue(o, e, wait + (sp_time)sp_rng_below(o->rng, (uint64_t)wait + 1), now);
}

bool sp_outbox_msg_a(struct sp_outbox *o, const struct sp_frame_msg_a *f, sp_time now)
{
    struct sp_outbox_entry *e = sp_outbox_find(o, f->msgid);
    if (e == NULL)
        return true;
    if (f->code == SP_CODE_OK)
        return rise(o, e, f->state != 0 ? f->state : SP_STATE_ACCEPTED, now);
    if (!is_unanswered(e))
        return false;
    if (f->code == SP_CODE_BUSY) {
        if (e->phase == SP_OUTBOX_QUEUED)
            return false;
        rest_busy(o, e, f->retry, now);
    } else if (f->code == SP_CODE_DUP_EXPIRED) {
        sp_outbox_end(o, e, SP_OUTBOX_MARK_UNKNOWN,
                      now); /* ruling 47: an earlier sending may have been stored */
    } else {
        uint8_t code = f->code < SP_OUTBOX_MARK_UNKNOWN - SP_OUTBOX_MARK_FAILED ? f->code : SP_CODE_BAD;
        sp_outbox_end(o, e, (uint8_t)(SP_OUTBOX_MARK_FAILED + code), now);
    }
    return true;
}

/* Ruling 11: READ of a message that is done goes to the app.  When too many wait, the oldest gives way: READ
 * is no promise of this protocol. */
static void note_read(struct sp_outbox *o, struct sp_msgid id, uint8_t state)
{
    if (o->reads_n == SP_OUTBOX_READS_MAX) {
        o->reads_n--;
        memmove(&o->reads[0], &o->reads[1], o->reads_n * sizeof o->reads[0]);
    }
    o->reads[o->reads_n].msgid = id;
    o->reads[o->reads_n++].state = state;
}

bool sp_outbox_ack_n(struct sp_outbox *o, const struct sp_frame_ack_n *f, sp_time now)
{
    struct sp_outbox_entry *e = sp_outbox_find(o, f->msgid);
    if (e != NULL)
        return rise(o, e, f->state, now);
    if (f->state == SP_STATE_READ && f->msgid.v != 0 && f->msgid.v <= o->last.v)
        note_read(o, f->msgid, f->state);
    return false;
}

/* What STATUS:A says about one entry that was asked about. */
static void note_status(struct sp_outbox *o, struct sp_outbox_entry *e, uint8_t state, sp_time now)
{
    if (state != SP_STATE_UNKNOWN && rise(o, e, state, now))
        return;
    if (!e->is_asked)
        return;
    if (e->phase == SP_OUTBOX_SENT) {
        if (e->misses < UINT8_MAX)
            e->misses++;
        requeue(o, e, 0, now);
    } else if (e->phase == SP_OUTBOX_SAFE) {
        /* Twice not known although it was safe: its row has aged out, or the store is an older one. */
        e->misses = state == SP_STATE_UNKNOWN ? (uint8_t)(e->misses + 1) : 0;
        if (e->misses >= MISSES_MAX) {
            sp_outbox_end(o, e, SP_OUTBOX_MARK_UNKNOWN, now);
            return;
        }
        if (e->wait.tries < SP_OUTBOX_LEVELS - 1)
            e->wait.tries++;
        wait_safe(o, e, now);
    }
}

void sp_outbox_status_a(struct sp_outbox *o, const struct sp_frame_status_a *f, sp_time now)
{
    struct sp_ask_request r;
    if (sp_ask_answer(&o->ask, f, &r) != 0)
        return;
    for (size_t i = 0; i < f->n; i++) {
        struct sp_outbox_entry *e = sp_outbox_find(o, r.frame.msgids[i]);
        if (e != NULL)
            note_status(o, e, f->of[i].state, now);
    }
}

void sp_outbox_link_acked(struct sp_outbox *o, struct sp_msgid id, sp_time three_pto, sp_time now)
{
    struct sp_outbox_entry *e = sp_outbox_find(o, id);
    if (e == NULL || e->phase != SP_OUTBOX_SENT || e->wait.is_waiting || e->is_asked)
        return;
    enum sp_pending_kind kind = (e->flags & SP_OUT_FOUR) != 0 ? SP_PENDING_T1_FOUR : SP_PENDING_T1;
    sp_time wait = sp_pending_wait_us(kind, e->misses, three_pto);
    e->wait.is_waiting = true;
    e->wait.due = now + sp_rng_jitter(o->rng, wait, 20);
    if (e->wait.due < o->sent_due)
        o->sent_due = e->wait.due;
}

/* ---- Sessions ---- */

void sp_outbox_session_up(struct sp_outbox *o, sp_time now)
{
    o->is_up = true;
    o->done = (struct sp_msgid){0};
    o->done_at = now;
    for (size_t i = 0; i < o->safe_n; i++) {
        struct sp_node *node;
        SP_LIST_FOREACH (node, &o->safe[i])
            ENTRY(node, in_phase)->wait.due = now;
    }
}

static void requeue_all(struct sp_outbox *o, struct sp_list *list, sp_time now)
{
    struct sp_node *node;
    while ((node = sp_list_first(list)) != NULL)
        requeue(o, ENTRY(node, in_phase), 0, now);
}

void sp_outbox_session_lost(struct sp_outbox *o, sp_time now)
{
    struct sp_node *node;
    o->is_up = false;
    o->flight_max = SP_OUTBOX_FLIGHT_MAX;
    requeue_all(o, &o->ready, now);
    requeue_all(o, &o->sent, now);
    while ((node = sp_list_first(&o->asked)) != NULL)
        wait_safe(o, ENTRY(node, in_phase), now);
    sp_ask_reset(&o->ask);
    o->sent_due = SP_NEVER;
}

void sp_outbox_set_window(struct sp_outbox *o, unsigned n)
{
    o->flight_max = n < 1 ? 1 : n < SP_OUTBOX_FLIGHT_MAX ? n : SP_OUTBOX_FLIGHT_MAX;
}
