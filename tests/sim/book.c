/* Messages by identity in one hash table, and per user an array over the seqs of the mailbox. */
#include "book.h"

#include "dice.h"
#include "ensure.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 256U /* messages of one allocation */

struct box { /* of one user, over seqs from 1 on */
    struct slot {
        struct sim_message *message;
        bool is_kept;
    } * slots;
    uint32_t cap, head; /* highest seq handed to anybody */
    uint32_t svr_seq, confirmed;
};
struct sim_book {
    struct sim_book_config cfg;
    struct box *boxes;
    struct sim_message **chunks; /* all messages in the order of being sent, CHUNK in each */
    size_t all_n;
    struct sim_message **table; /* open addressing by identity */
    size_t table_n, table_cap;
    size_t open; /* messages of ours whose end their sender does not know */
    struct sim_book_sums sums;
};

struct sim_book *sim_book_create(const struct sim_book_config *cfg)
{
    struct sim_book *b = calloc(1, sizeof *b);
    SP_ENSURE(b != NULL);
    b->cfg = *cfg;
    b->boxes = calloc(cfg->users, sizeof *b->boxes);
    b->table_cap = 1024;
    b->table = calloc(b->table_cap, sizeof(struct sim_message *));
    SP_ENSURE(b->boxes != NULL && b->table != NULL);
    return b;
}

void sim_book_destroy(struct sim_book **book)
{
    struct sim_book *b = *book;
    for (size_t i = 0; i < b->all_n; i += CHUNK)
        free(b->chunks[i / CHUNK]);
    for (unsigned i = 0; i < b->cfg.users; i++)
        free(b->boxes[i].slots);
    free(b->chunks);
    free(b->table);
    free(b->boxes);
    free(b);
    *book = NULL;
}

/* ---- identities ---- */

static struct sim_message **place(struct sim_message **table, size_t cap, uint32_t device, struct sp_msgid id)
{
    size_t i = sp_dice_mix(id.v * 31 + device) & (cap - 1);
    while (table[i] != NULL && (table[i]->device != device || table[i]->msgid.v != id.v))
        i = (i + 1) & (cap - 1);
    return &table[i];
}

static void widen(struct sim_book *b)
{
    size_t cap = 2 * b->table_cap;
    struct sim_message **table = calloc(cap, sizeof(struct sim_message *));
    SP_ENSURE(table != NULL);
    for (size_t i = 0; i < b->table_cap; i++) {
        if (b->table[i] != NULL)
            *place(table, cap, b->table[i]->device, b->table[i]->msgid) = b->table[i];
    }
    free(b->table);
    b->table = table;
    b->table_cap = cap;
}

struct sim_message *sim_book_find(struct sim_book *b, uint32_t device, struct sp_msgid id)
{
    return *place(b->table, b->table_cap, device, id);
}

/* Room for CHUNK more; what is there stays where it is. */
static void add_chunk(struct sim_book *b)
{
    size_t n = b->all_n / CHUNK;
    b->chunks = realloc(b->chunks, (n + 1) * sizeof(struct sim_message *));
    SP_ENSURE(b->chunks != NULL);
    b->chunks[n] = malloc(CHUNK * sizeof(struct sim_message));
    SP_ENSURE(b->chunks[n] != NULL);
}

static struct sim_message *message_at(const struct sim_book *b, size_t i)
{
    return &b->chunks[i / CHUNK][i % CHUNK];
}

static struct sim_message *add(struct sim_book *b, const struct sim_message *m)
{
    if (2 * b->table_n >= b->table_cap)
        widen(b);
    if (b->all_n % CHUNK == 0)
        add_chunk(b);
    struct sim_message *copy = message_at(b, b->all_n);
    *copy = *m;
    copy->serial = (uint32_t)b->all_n++;
    struct sim_message **at = place(b->table, b->table_cap, m->device, m->msgid);
    b->table_n += *at == NULL;
    *at = copy;
    return copy;
}

/* ---- sending ---- */

void sim_book_body(uint32_t serial, size_t len, uint8_t *dst)
{
    struct sp_dice d = sp_dice_of(serial, 7);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t v = sp_dice_throw(&d);
        memcpy(dst + i, &v, len - i < 8 ? len - i : 8);
    }
}

uint32_t sim_book_next_serial(const struct sim_book *b)
{
    return (uint32_t)b->all_n;
}

void sim_book_sent(struct sim_book *b, const struct sim_message *m)
{
    const struct sim_message *old = sim_book_find(b, m->device, m->msgid);
    SP_ENSURE_SAY(old == NULL || old->is_lost, "device %u uses msgid %" PRIx64 " twice", m->device,
                  m->msgid.v);
    (void)add(b, m);
    b->open++;
    b->sums.sent++;
}

static bool is_ended(const struct sim_message *m)
{
    return m->told >= SP_STATE_DELIVERED || m->failed != 0 || m->is_lost || m->is_forgotten ||
           m->is_foreign || m->is_unknown;
}

void sim_book_lost(struct sim_book *b, struct sim_message *m)
{
    SP_ENSURE_SAY(m->told == 0 && m->seq == 0, "message %u left its device before it was durable there",
                  m->serial);
    b->open -= !is_ended(m);
    m->is_lost = true;
    b->sums.lost++;
}

/* ---- receiving ---- */

static struct slot *slot_of(struct box *box, uint32_t seq)
{
    if (seq >= box->cap) {
        uint32_t cap = box->cap == 0 ? 64 : box->cap;
        while (cap <= seq)
            cap *= 2;
        box->slots = realloc(box->slots, cap * sizeof *box->slots);
        SP_ENSURE(box->slots != NULL);
        memset(box->slots + box->cap, 0, (cap - box->cap) * sizeof *box->slots);
        box->cap = cap;
    }
    return &box->slots[seq];
}

static void check_body(const struct sim_message *m, const struct sp_client_event *ev)
{
    uint8_t body[SP_PART_MAX];
    if (m->is_foreign)
        return;
    SP_ENSURE_SAY(ev->body.n == m->len, "message %u has %zu bytes instead of %u", m->serial, ev->body.n,
                  m->len);
    sim_book_body(m->serial, m->len, body);
    SP_ENSURE_SAY(m->len == 0 || memcmp(body, ev->body.p, m->len) == 0, "message %u has another body",
                  m->serial);
}

struct sim_message *sim_book_handed(struct sim_book *b, uint32_t to, uint32_t device, bool is_foreign,
                                    const struct sp_client_event *ev)
{
    uint32_t seq = ev->seq.v;
    struct sim_message *m = sim_book_find(b, device, ev->msgid);
    if (m == NULL && is_foreign) {
        m = add(b, &(struct sim_message){.device = device, .to = to, .msgid = ev->msgid, .is_foreign = true});
        b->sums.foreign++;
    }
    SP_ENSURE_SAY(m != NULL, "user %u is handed msgid %" PRIx64 " of device %u, which nobody sent", to,
                  ev->msgid.v, device);
    SP_ENSURE_SAY(m->to == to, "message %u to user %u is handed to user %u", m->serial, m->to, to);
    SP_ENSURE_SAY(!m->is_lost && m->failed == 0, "message %u is handed over although it %s", m->serial,
                  m->is_lost ? "was never durable at its sender" : "failed (G2)");
    SP_ENSURE_SAY(m->seq == 0 || m->seq == seq, "message %u has seq %u and seq %u (G7)", m->serial, m->seq,
                  seq);
    struct slot *s = slot_of(&b->boxes[to], seq);
    SP_ENSURE_SAY(s->message == NULL || s->message == m,
                  "seq %u of user %u is message %u and message %u (G10)", seq, to, s->message->serial,
                  m->serial);
    check_body(m, ev);
    s->message = m;
    m->seq = seq;
    if (b->boxes[to].head < seq)
        b->boxes[to].head = seq;
    return m;
}

void sim_book_kept(struct sim_book *b, uint32_t to, uint32_t seq)
{
    struct slot *s = slot_of(&b->boxes[to], seq);
    if (s->message == NULL)
        return; /* the end of a skipped range */
    s->is_kept = s->message->is_kept = true;
}

void sim_book_joined(struct sim_book *b, uint32_t to, uint32_t seq)
{
    for (uint32_t i = 1; i <= seq && !b->cfg.may_end; i++)
        SP_ENSURE_SAY(slot_of(&b->boxes[to], i)->is_kept,
                      "a new device of user %u begins with seq %u, and no app has %u", to, seq + 1, i);
}

void sim_book_skipped(struct sim_book *b, uint32_t to, const struct sp_client_event *ev)
{
    for (uint32_t seq = ev->lo.v; seq <= ev->hi.v; seq++) {
        const struct slot *s = slot_of(&b->boxes[to], seq);
        if (ev->why == 1) /* one that has ended may lie below the cursor, too */
            SP_ENSURE_SAY(s->is_kept || b->cfg.may_end,
                          "seq %u of user %u is skipped as confirmed, and no app has it (G12)", seq, to);
        else
            SP_ENSURE_SAY(b->cfg.may_end, "seq %u of user %u is skipped for reason %u", seq, to, ev->why);
    }
}

/* ---- answers ---- */

static void note_end(struct sim_book *b, struct sim_message *m, bool was_ended, sp_time now)
{
    if (was_ended || !is_ended(m))
        return;
    b->open--;
    m->known_at = now;
    if (b->sums.know_max < now - m->sent_at)
        b->sums.know_max = now - m->sent_at;
}

void sim_book_told(struct sim_book *b, struct sim_message *m, uint8_t state, bool is_restarted, sp_time now)
{
    bool was_ended = is_ended(m);
    bool rises = is_restarted ? state >= m->told : state > m->told;
    SP_ENSURE_SAY(rises, "message %u: its sender is told state %u after %u (G5)", m->serial, state, m->told);
    SP_ENSURE_SAY(m->failed == 0, "message %u: its sender is told state %u after it failed", m->serial,
                  state);
    if (state == SP_STATE_DELIVERED || state == SP_STATE_READ)
        SP_ENSURE_SAY(m->is_kept, "message %u: its sender is told DELIVERED, and no app has kept it (G6)",
                      m->serial);
    if (state >= SP_STATE_ENDED && m->told != 0)
        SP_ENSURE_SAY(m->told < SP_STATE_DELIVERED || m->told >= SP_STATE_ENDED,
                      "message %u has two ends, %u and %u (G5)", m->serial, m->told, state);
    if (state >= SP_STATE_ENDED)
        SP_ENSURE_SAY(b->cfg.may_end, "message %u ends with state %u", m->serial, state);
    if (m->told == 0) {
        m->accepted_at = now;
        if (b->sums.accept_max < now - m->sent_at)
            b->sums.accept_max = now - m->sent_at;
    }
    if (state == SP_STATE_DELIVERED && m->told < state)
        b->sums.delivered++;
    if (state >= SP_STATE_ENDED && m->told < state)
        b->sums.ended++;
    m->told = state;
    note_end(b, m, was_ended, now);
}

void sim_book_failed(struct sim_book *b, struct sim_message *m, int code, sp_time now)
{
    bool was_ended = is_ended(m);
    SP_ENSURE_SAY(m->told == 0, "message %u fails with %d after state %u (G2)", m->serial, code, m->told);
    SP_ENSURE_SAY(m->seq == 0, "message %u fails with %d after it was handed over (G2)", m->serial, code);
    SP_ENSURE_SAY(b->cfg.may_fail, "message %u fails with %d", m->serial, code);
    b->sums.failed += m->failed == 0;
    m->failed = code;
    note_end(b, m, was_ended, now);
}

void sim_book_forgot(struct sim_book *b, struct sim_message *m)
{
    b->open -= !is_ended(m);
    m->is_forgotten = true;
}

void sim_book_unknown(struct sim_book *b, struct sim_message *m)
{
    (void)b;
    SP_ENSURE_SAY(false, "message %u: its outcome stays unknown", m->serial);
}

void sim_book_mailbox(struct sim_book *b, uint32_t user, uint32_t svr_seq, uint32_t confirmed)
{
    struct box *box = &b->boxes[user];
    SP_ENSURE_SAY(svr_seq >= box->svr_seq, "the mailbox of user %u shrinks from %u to %u (G10)", user,
                  box->svr_seq, svr_seq);
    SP_ENSURE_SAY(confirmed >= box->confirmed, "the cursor of user %u goes from %u to %u (G13)", user,
                  box->confirmed, confirmed);
    SP_ENSURE_SAY(confirmed <= svr_seq, "the cursor of user %u is %u of %u (G13)", user, confirmed, svr_seq);
    SP_ENSURE_SAY(box->head <= svr_seq, "user %u was handed seq %u of %u (G10)", user, box->head, svr_seq);
    for (uint32_t seq = box->confirmed + 1; seq <= confirmed && !b->cfg.may_end; seq++)
        SP_ENSURE_SAY(slot_of(box, seq)->is_kept, "seq %u of user %u is confirmed, and no app has it (G6)",
                      seq, user);
    box->svr_seq = svr_seq;
    box->confirmed = confirmed;
}

/* ---- the end ---- */

bool sim_book_is_settled(const struct sim_book *b)
{
    return b->open == 0;
}

const struct sim_message *sim_book_unsettled(const struct sim_book *b)
{
    for (size_t i = 0; i < b->all_n; i++) {
        if (!is_ended(message_at(b, i)))
            return message_at(b, i);
    }
    return NULL;
}

void sim_book_close(struct sim_book *b)
{
    SP_ENSURE(b->open == 0);
    for (unsigned user = 0; user < b->cfg.users; user++) {
        struct box *box = &b->boxes[user];
        SP_ENSURE_SAY(box->confirmed == box->svr_seq, "user %u has confirmed %u of %u", user, box->confirmed,
                      box->svr_seq);
        for (uint32_t seq = 1; seq <= box->svr_seq && !b->cfg.may_end; seq++)
            SP_ENSURE_SAY(slot_of(box, seq)->is_kept, "seq %u of user %u reached nobody", seq, user);
    }
    for (size_t i = 0; i < b->all_n; i++) {
        const struct sim_message *m = message_at(b, i);
        bool may_be_gone = b->cfg.may_end && m->is_forgotten; /* nobody asks how it ended */
        SP_ENSURE_SAY(m->told == 0 || m->is_kept || m->told >= SP_STATE_ENDED || may_be_gone,
                      "message %u was accepted and reached nobody (G1)", m->serial);
    }
}

struct sim_book_sums sim_book_sums(const struct sim_book *b)
{
    return b->sums;
}
