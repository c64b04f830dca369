/* The sending side of the outbox: what expires, what is chosen, the frames made from it, and what the app is
 * told.  See outbox.h. */
#include "outbox.h"

#include "bug.h"
#include <sampan/err.h>

#include <string.h>

#define SIX_DAYS_S      ((int64_t)6 * 86400) /* section 5.2; a gateway remembers a msgid for 7 days */
#define EXPIRY_EVERY_US (3600 * SP_SECOND)
#define DONE_EVERY_US   SP_SECOND /* ruling 42 */

#define ENTRY(node, member) SP_LIST_ITEM(node, struct sp_outbox_entry, member)
#define TALK(node)          SP_LIST_ITEM(node, struct sp_conversation, in_turn)

/* Messages first sent days ago, and still without an answer, may no longer be remembered by the gateway:
 * sending them again could store them twice. */
static void expire(struct sp_outbox *o, sp_time now)
{
    struct sp_node *node = o->order.head.next;
    while (node != &o->order.head) {
        struct sp_outbox_entry *e = ENTRY(node, in_order);
        node = node->next;
        if (e->phase == SP_OUTBOX_QUEUED && e->first_s != 0 &&
            sp_outbox_unix(o, now) - e->first_s >= SIX_DAYS_S)
            sp_outbox_end(o, e, SP_OUTBOX_MARK_UNKNOWN, now);
    }
    o->expiry_at = now + EXPIRY_EVERY_US;
}

static void drop_told(struct sp_outbox *o, sp_time now)
{
    struct sp_node *node;
    while ((node = sp_list_first(&o->told)) != NULL) {
        struct sp_outbox_entry *e = ENTRY(node, in_phase);
        if (sp_ledger_drop(o->ledger, e->msgid, now) != 0)
            return;
        sp_outbox_release(o, e);
    }
}

/* Conversations whose rest may be over find their place anew. */
static void wake_talks(struct sp_outbox *o, sp_time now)
{
    struct sp_list resting;
    struct sp_node *node;
    sp_list_init(&resting);
    while ((node = sp_list_first(&o->resting)) != NULL) {
        sp_list_remove(node);
        sp_list_append(&resting, node);
    }
    o->rest_due = SP_NEVER;
    while ((node = sp_list_first(&resting)) != NULL)
        sp_outbox_place(o, TALK(node), now);
}

/* Whether a message waits that may be sent next. */
static bool may_choose(const struct sp_outbox *o)
{
    return o->flight < o->flight_max && !sp_list_is_empty(&o->active);
}

/* Chooses what is sent next, oldest first, and writes the time of its first sending. */
static void choose_ready(struct sp_outbox *o, sp_time now)
{
    while (may_choose(o)) {
        struct sp_node *first = sp_list_first(&o->active);
        SP_ASSERT(first != NULL);
        struct sp_conversation *talk = TALK(first);
        struct sp_node *head = sp_list_first(&talk->queued);
        SP_ASSERT(head != NULL); /* only conversations with queued messages are active */
        struct sp_outbox_entry *e = ENTRY(head, in_phase);
        if (e->first_s == 0) {
            e->first_s = sp_outbox_unix(o, now);
            if (sp_outbox_put_row(o, e, now) != 0) {
                e->first_s = 0;
                return;
            }
        }
        sp_list_remove(&e->in_phase);
        sp_list_append(&o->ready, &e->in_phase);
        e->phase = SP_OUTBOX_READY;
        talk->in_flight++;
        o->flight++;
        sp_outbox_place(o, talk, now);
    }
}

static void ask_about(struct sp_ask_request *r, struct sp_outbox_entry *e)
{
    r->frame.msgids[r->frame.n++] = e->msgid;
    e->is_asked = true;
    e->wait.is_waiting = false;
    e->wait.due = SP_NEVER;
}

/* Adds sent messages whose answer is overdue, and notes when the next one will be. */
static void ask_sent(struct sp_outbox *o, struct sp_ask_request *r, sp_time now)
{
    struct sp_node *node;
    if (o->sent_due > now)
        return;
    o->sent_due = SP_NEVER;
    SP_LIST_FOREACH (node, &o->sent) {
        struct sp_outbox_entry *e = ENTRY(node, in_phase);
        if (sp_pending_is_due(&e->wait, now) && r->frame.n < SP_STATUS_MAX)
            ask_about(r, e);
        else if (e->wait.due < o->sent_due)
            o->sent_due = e->wait.due;
    }
}

/* Adds safe messages without news for long. */
static void ask_safe(struct sp_outbox *o, struct sp_ask_request *r, sp_time now)
{
    for (size_t i = 0; i < o->safe_n; i++) {
        struct sp_node *node;
        while (r->frame.n < SP_STATUS_MAX && (node = sp_list_first(&o->safe[i])) != NULL) {
            struct sp_outbox_entry *e = ENTRY(node, in_phase);
            if (e->wait.due > now)
                break;
            sp_list_remove(node);
            sp_list_append(&o->asked, node);
            ask_about(r, e);
        }
    }
}

/* When the next question is due; SP_NEVER also while no more may be asked at once. */
static sp_time ask_due(const struct sp_outbox *o)
{
    if (!o->is_up || !sp_ask_has_room(&o->ask))
        return SP_NEVER;
    if (sp_ask_is_wanted(&o->ask))
        return 0;
    sp_time due = o->sent_due;
    for (size_t i = 0; i < o->safe_n; i++) {
        const struct sp_node *head = sp_list_first(&o->safe[i]);
        if (head == NULL)
            continue;
        const struct sp_outbox_entry *e = SP_LIST_ITEM(head, const struct sp_outbox_entry, in_phase);
        if (e->wait.due < due)
            due = e->wait.due;
    }
    return due;
}

static void choose_asks(struct sp_outbox *o, sp_time now)
{
    while (ask_due(o) <= now) {
        struct sp_ask_request *r = sp_ask_open(&o->ask);
        SP_ASSERT(r != NULL);
        ask_sent(o, r, now);
        ask_safe(o, r, now);
        if (r->frame.n == 0)
            sp_ask_cancel(&o->ask, r);
    }
}

/* The highest msgid below the oldest entry left, when DONE has not told it in this session; else 0 (ruling
 * 42). */
static struct sp_msgid done_candidate(const struct sp_outbox *o)
{
    const struct sp_node *oldest = sp_list_first(&o->order);
    struct sp_msgid id = o->last;
    if (oldest != NULL)
        id.v = SP_LIST_ITEM(oldest, const struct sp_outbox_entry, in_order)->msgid.v - 1;
    if ((uint32_t)id.v == 0 || id.v <= o->done.v)
        id.v = 0;
    return id;
}

static bool is_done_due(const struct sp_outbox *o, sp_time now)
{
    return o->is_up && o->done_at <= now && done_candidate(o).v != 0;
}

bool sp_outbox_step(struct sp_outbox *o, sp_time now)
{
    if (o->expiry_at <= now)
        expire(o, now);
    drop_told(o, now);
    if (o->rest_due <= now)
        wake_talks(o, now);
    if (!o->is_up)
        return false;
    choose_ready(o, now);
    choose_asks(o, now);
    return !sp_list_is_empty(&o->ready) || is_done_due(o, now);
}

/* msg:R of a chosen entry.  Not 0: its body cannot be read now, or at all. */
static int build_msg(struct sp_outbox *o, const struct sp_outbox_entry *e, struct sp_frame *f, sp_time now)
{
    size_t len = 0;
    int rc = sp_ledger_read(o->ledger, e->msgid, o->body, sizeof o->body, &len, now);
    if (rc != 0)
        return rc;
    /* AFTER is set afresh at each sending: the newest older message without an answer. */
    const struct sp_node *before = e->in_talk.prev;
    bool has_before = before != &e->talk->unanswered.head;
    unsigned flags = ((e->flags & SP_OUT_FOUR) != 0 ? SP_MSG_FOUR : 0U) | (has_before ? SP_MSG_AFTER : 0U) |
                     (e->expires_s != 0 ? SP_MSG_TTL : 0U);
    f->kind = SP_KIND_MSG_R;
    f->u.msg_r = (struct sp_frame_msg_r){.flags = (uint8_t)flags};
    f->u.msg_r.msgid = e->msgid;
    if (has_before)
        f->u.msg_r.after = SP_LIST_ITEM(before, const struct sp_outbox_entry, in_talk)->msgid;
    f->u.msg_r.ttl_s = e->expires_s;
    f->u.msg_r.to = (struct sp_view){e->talk->to, e->talk->to_len};
    f->u.msg_r.body = (struct sp_view){o->body, len};
    return 0;
}

int sp_outbox_frame(struct sp_outbox *o, struct sp_frame *f, uint64_t *ref, sp_time now)
{
    *ref = 0;
    if (!o->is_up)
        return SP_EAGAIN;
    if (sp_ask_frame(&o->ask, f, now) == 0)
        return 0;
    if (!sp_ledger_is_durable(o->ledger))
        return SP_EAGAIN;
    if (is_done_due(o, now)) {
        f->kind = SP_KIND_DONE;
        f->u.done.msgid = done_candidate(o);
        return 0;
    }
    const struct sp_node *node = sp_list_first(&o->ready);
    if (node == NULL)
        return SP_EAGAIN;
    struct sp_outbox_entry *e = SP_LIST_ITEM(node, struct sp_outbox_entry, in_phase);
    int rc = build_msg(o, e, f, now);
    if (rc == SP_EAGAIN || rc == SP_ECORRUPT)
        sp_outbox_end(o, e, SP_OUTBOX_MARK_UNKNOWN, now); /* its body is gone: it cannot be sent again */
    *ref = e->msgid.v;
    return rc == 0 ? 0 : SP_EAGAIN;
}

void sp_outbox_note_sent(struct sp_outbox *o, const struct sp_frame *f, sp_time three_pto, sp_time now)
{
    if (f->kind == SP_KIND_STATUS_R) {
        sp_ask_note_sent(&o->ask, f, three_pto, now);
        o->statuses++;
    } else if (f->kind == SP_KIND_DONE) {
        o->done = f->u.done.msgid;
        o->done_at = now + DONE_EVERY_US;
    } else {
        struct sp_outbox_entry *e = sp_outbox_find(o, f->u.msg_r.msgid);
        SP_ASSERT(e != NULL);
        sp_list_remove(&e->in_phase);
        sp_list_append(&o->sent, &e->in_phase);
        e->phase = SP_OUTBOX_SENT;
    }
}

static sp_time sooner(sp_time a, sp_time b)
{
    return a < b ? a : b;
}

sp_time sp_outbox_deadline(const struct sp_outbox *o)
{
    sp_time at = sooner(o->expiry_at, o->rest_due);
    sp_time retry = sp_ledger_retry_at(o->ledger);
    bool wants_row =
        !sp_list_is_empty(&o->told) || !sp_list_is_empty(&o->ready) || (o->is_up && may_choose(o));
    if (wants_row)
        at = sooner(at, retry);
    if (!o->is_up)
        return at;
    if (done_candidate(o).v != 0) /* while local storage fails it is not due before that is asked again */
        at = sooner(at, retry != SP_NEVER && retry > o->done_at ? retry : o->done_at);
    return sooner(at, sooner(ask_due(o), sp_ask_deadline(&o->ask)));
}

/* ---- Events ---- */

/* The end of a message without receipt is told only when it is durable that it ended. */
static int secure_mark(struct sp_outbox *o, struct sp_outbox_entry *e, sp_time now)
{
    if (!e->is_marked) {
        int rc = sp_outbox_put_row(o, e, now);
        if (rc != 0)
            return rc;
        e->is_marked = true;
    }
    return sp_ledger_sync(o->ledger, now);
}

static void describe(const struct sp_outbox_entry *e, struct sp_client_event *ev)
{
    *ev = (struct sp_client_event){.kind = SP_CLIENT_RECEIPT, .msgid = e->msgid, .state = e->state};
    if (e->mark == SP_OUTBOX_MARK_UNKNOWN) {
        ev->kind = SP_CLIENT_UNKNOWN;
    } else if (e->mark != 0) {
        ev->kind = SP_CLIENT_FAILED;
        ev->code = e->mark - SP_OUTBOX_MARK_FAILED;
    }
}

int sp_outbox_poll(struct sp_outbox *o, struct sp_client_event *ev, sp_time now)
{
    struct sp_node *node = sp_list_first(&o->news);
    if (node != NULL) {
        struct sp_outbox_entry *e = ENTRY(node, in_news);
        if (e->mark != 0 && secure_mark(o, e, now) != 0)
            return SP_EAGAIN;
        describe(e, ev);
        sp_list_remove(node);
        if (e->phase == SP_OUTBOX_ENDED)
            sp_outbox_let_go(o, e, now);
        return 0;
    }
    if (o->reads_n > 0) {
        *ev = (struct sp_client_event){
            .kind = SP_CLIENT_RECEIPT, .msgid = o->reads[0].msgid, .state = o->reads[0].state};
        o->reads_n--;
        memmove(&o->reads[0], &o->reads[1], o->reads_n * sizeof o->reads[0]);
        return 0;
    }
    return sp_ask_poll(&o->ask, ev);
}

bool sp_outbox_has_event(const struct sp_outbox *o)
{
    return !sp_list_is_empty(&o->news) || o->reads_n > 0 || sp_ask_has_event(&o->ask);
}

bool sp_outbox_is_waiting(const struct sp_outbox *o)
{
    return o->flight > 0 || !sp_list_is_empty(&o->active) || !sp_list_is_empty(&o->resting);
}

size_t sp_outbox_count(const struct sp_outbox *o)
{
    size_t told = 0;
    const struct sp_node *node;
    SP_LIST_FOREACH (node, &o->told)
        told++;
    return o->entries.used - told;
}
