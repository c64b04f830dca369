/* Rows by their keys, and the two facts that every kind of log can state about a message. */
#include "facts.h"

#include "verdict.h"

#include <stdlib.h>
#include <string.h>

#define LIST_FIRST 8

struct sp_fact_user *sp_facts_user_at(const struct sp_verify *v, uint32_t place)
{
    return sp_rows_at(&v->users, place);
}

struct sp_fact_device *sp_facts_device_at(const struct sp_verify *v, uint32_t place)
{
    return sp_rows_at(&v->devices, place);
}

struct sp_fact_mailbox *sp_facts_mailbox_at(const struct sp_verify *v, uint32_t place)
{
    return sp_rows_at(&v->mailboxes, place);
}

struct sp_fact_message *sp_facts_message_at(const struct sp_verify *v, uint32_t place)
{
    return sp_rows_at(&v->messages, place);
}

struct sp_fact_slot *sp_facts_slot_at(const struct sp_verify *v, uint32_t place)
{
    return sp_rows_at(&v->slots, place);
}

struct sp_fact_hand *sp_facts_hand_at(const struct sp_verify *v, uint32_t place)
{
    return sp_rows_at(&v->hands, place);
}

struct sp_fact_view *sp_facts_view_at(const struct sp_verify *v, uint32_t place)
{
    return sp_rows_at(&v->views, place);
}

struct sp_fact_span *sp_facts_span_at(const struct sp_verify *v, uint32_t place)
{
    return sp_rows_at(&v->spans, place);
}

static uint32_t get(struct sp_verify *v, struct sp_rows *t, uint64_t a, uint64_t b, bool *is_new)
{
    uint32_t place = sp_rows_get(t, (struct sp_rows_key){a, b}, is_new);
    if (place == SP_ROWS_NONE)
        v->is_full = true;
    return place;
}

/* FNV-1a.  Two names of one hash are told apart by counting the second number up. */
static struct sp_rows_key hash_of(struct sp_view name)
{
    struct sp_rows_key k = {0xcbf29ce484222325U, name.n};
    for (size_t i = 0; i < name.n; i++)
        k.a = (k.a ^ name.p[i]) * 0x100000001b3U;
    return k;
}

static bool is_named(const struct sp_verify *v, uint32_t user, struct sp_view name)
{
    const struct sp_fact_user *u = sp_facts_user_at(v, user);
    return u->len == name.n && memcmp(u->name, name.p, name.n) == 0;
}

uint32_t sp_facts_user(struct sp_verify *v, struct sp_view name)
{
    struct sp_rows_key k = hash_of(name);
    for (;; k.b++) {
        bool is_new;
        uint32_t place = get(v, &v->users, k.a, k.b, &is_new);
        if (place == SP_ROWS_NONE)
            return place;
        if (is_new) {
            struct sp_fact_user *u = sp_facts_user_at(v, place);
            u->len = (uint8_t)name.n;
            memcpy(u->name, name.p, name.n);
        }
        if (is_named(v, place, name))
            return place;
    }
}

static void begin_device(struct sp_verify *v, uint32_t place, struct sp_view name)
{
    struct sp_fact_device *d = sp_facts_device_at(v, place);
    d->user = sp_facts_user(v, name);
    d->mailbox = d->order_mailbox = SP_ROWS_NONE;
}

uint32_t sp_facts_device(struct sp_verify *v, struct sp_view name, uint32_t number)
{
    struct sp_rows_key k = hash_of(name);
    k.b = k.b << 32 | number;
    for (;; k.b += (uint64_t)1 << 32) {
        bool is_new;
        uint32_t place = get(v, &v->devices, k.a, k.b, &is_new);
        if (place == SP_ROWS_NONE)
            return place;
        if (is_new)
            begin_device(v, place, name);
        uint32_t user = sp_facts_device_at(v, place)->user;
        if (user == SP_ROWS_NONE) /* there was no memory for it */
            return SP_ROWS_NONE;
        if (is_named(v, user, name))
            return place;
    }
}

uint32_t sp_facts_mailbox(struct sp_verify *v, uint32_t user, uint64_t epoch, uint32_t unnamed)
{
    bool is_new;
    uint32_t place = get(v, &v->mailboxes, user | (uint64_t)unnamed << 32, epoch, &is_new);
    if (place != SP_ROWS_NONE && is_new) {
        sp_facts_mailbox_at(v, place)->user = user;
        if (epoch != 0 || unnamed != 0)
            sp_facts_user_at(v, user)->epochs++;
    }
    return place;
}

uint32_t sp_facts_message(struct sp_verify *v, uint32_t device, uint64_t msgid)
{
    bool is_new;
    uint32_t place = get(v, &v->messages, device, msgid, &is_new);
    if (place != SP_ROWS_NONE && is_new) {
        struct sp_fact_message *m = sp_facts_message_at(v, place);
        m->device = device;
        m->slots = SP_ROWS_NONE;
    }
    return place;
}

uint32_t sp_facts_view(struct sp_verify *v, uint32_t device, uint32_t mailbox)
{
    bool is_new;
    return get(v, &v->views, device, mailbox, &is_new);
}

uint32_t sp_facts_span(struct sp_verify *v)
{
    uint32_t place = sp_rows_add(&v->spans);
    if (place == SP_ROWS_NONE)
        v->is_full = true;
    return place;
}

bool sp_facts_push(struct sp_verify *v, struct sp_facts_list *list, uint32_t place)
{
    if (list->n == list->cap) {
        uint32_t cap = list->cap == 0 ? LIST_FIRST : 2 * list->cap;
        uint32_t *of = realloc(list->of, cap * sizeof *of);
        if (of == NULL) {
            v->is_full = true;
            return false;
        }
        list->of = of;
        list->cap = cap;
    }
    list->of[list->n++] = place;
    return true;
}

void sp_facts_content(struct sp_verify *v, uint32_t message, uint32_t to, uint64_t hash,
                      struct sp_verify_place at)
{
    struct sp_fact_message *m = sp_facts_message_at(v, message);
    struct sp_verify_place before = m->sent_at.line != 0     ? m->sent_at
                                    : m->stored_at.line != 0 ? m->stored_at
                                                             : m->handed_at;
    if ((m->bits & SP_FACT_KNOWN) == 0) {
        m->bits |= SP_FACT_KNOWN;
        m->to = to;
        m->hash = hash;
        return;
    }
    if (m->to != to)
        sp_verdict_message(v, SP_VERIFY_CHANGED, "the recipient is not the one of another event", message, at,
                           before);
    else if (m->hash != 0 && hash != 0 && m->hash != hash)
        sp_verdict_message(v, SP_VERIFY_CHANGED, "the body is not the one of another event", message, at,
                           before);
    if (m->hash == 0)
        m->hash = hash;
}

/* The message's slot in this mailbox; SP_ROWS_NONE: none. */
static uint32_t slot_in(const struct sp_verify *v, uint32_t message, uint32_t mailbox)
{
    uint32_t slot = sp_facts_message_at(v, message)->slots;
    while (slot != SP_ROWS_NONE && sp_facts_slot_at(v, slot)->key.a != mailbox)
        slot = sp_facts_slot_at(v, slot)->next;
    return slot;
}

void sp_facts_claim(struct sp_verify *v, uint32_t mailbox, uint32_t seq, uint32_t message,
                    struct sp_verify_place at)
{
    bool is_new;
    uint32_t older = slot_in(v, message, mailbox);
    if (older != SP_ROWS_NONE && sp_facts_slot_at(v, older)->key.b != seq)
        sp_verdict_message(v, SP_VERIFY_DUPLICATE_SEQ, "the message has two seqs in one mailbox", message, at,
                           sp_facts_slot_at(v, older)->at);
    uint32_t place = get(v, &v->slots, mailbox, seq, &is_new);
    if (place == SP_ROWS_NONE)
        return;
    struct sp_fact_slot *s = sp_facts_slot_at(v, place);
    if (is_new) {
        struct sp_fact_message *m = sp_facts_message_at(v, message);
        *s = (struct sp_fact_slot){.key = s->key, .message = message, .next = m->slots, .at = at};
        m->slots = place;
    } else if (s->message != message) {
        sp_verdict_seq(
            v, SP_VERIFY_OFFSET, "one seq is two messages",
            &(struct sp_verdict_spot){
                .device = SP_ROWS_NONE, .mailbox = mailbox, .seq = seq, .at = at, .against = s->at});
    }
}

bool sp_facts_is_before(struct sp_verify_place first, struct sp_verify_place second)
{
    return first.line != 0 && second.line != 0 && first.file == second.file && first.line < second.line;
}
