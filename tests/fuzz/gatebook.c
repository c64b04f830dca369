/* Small tables, walked. */
#include "gatebook.h"

#include "fuzz.h"

#include <sampan/err.h>

#define TRIES_MAX 400 /* of a question to a store that loses answers */

const char *const gatebook_users[GATEBOOK_USERS] = {"a", "b"};
const struct gatebook_who gatebook_who[GATEBOOK_WHO] = {{0, 1}, {1, 1}, {0, 2}};

/* FNV-1a. */
static uint64_t hash(struct sp_view v)
{
    uint64_t h = 0xcbf29ce484222325U;
    for (size_t i = 0; i < v.n; i++)
        h = (h ^ v.p[i]) * 0x100000001b3U;
    return h;
}

static struct sp_view name(unsigned user)
{
    return (struct sp_view){(const uint8_t *)gatebook_users[user], strlen(gatebook_users[user])};
}

static unsigned user_of(struct sp_view id)
{
    unsigned u = 0;
    while (u < GATEBOOK_USERS && hash(id) != hash(name(u)))
        u++;
    return u;
}

/* The device of a sender as a message names it: only those that take part send. */
static unsigned who_is(struct sp_view from, uint32_t device)
{
    unsigned user = user_of(from), w = 0;
    while (w < GATEBOOK_WHO && (gatebook_who[w].user != user || gatebook_who[w].device != device))
        w++;
    FUZZ_CHECK(w < GATEBOOK_WHO);
    return w;
}

static struct gatebook_row *find(struct gatebook *b, unsigned who, uint64_t msgid)
{
    for (size_t i = 0; i < b->rows_n; i++) {
        if (b->rows[i].who == who && b->rows[i].msgid == msgid)
            return &b->rows[i];
    }
    return NULL;
}

static bool was_sent(const struct gatebook *b, const struct gatebook_send *want)
{
    for (size_t i = 0; i < b->sends_n; i++) {
        const struct gatebook_send *s = &b->sends[i];
        if (s->who == want->who && s->msgid == want->msgid && s->to == want->to && s->body == want->body)
            return true;
    }
    return false;
}

/* ---- to the gateway ---- */

static void note_msg_r(struct gatebook *b, unsigned who, unsigned session, const struct sp_frame_msg_r *f)
{
    struct gatebook_row *row = find(b, who, f->msgid.v);
    struct gatebook_send send = {who, f->msgid.v, hash(f->to), hash(f->body)};
    if (row == NULL && b->rows_n < GATEBOOK_ROWS) {
        row = &b->rows[b->rows_n++];
        *row = (struct gatebook_row){.who = who, .msgid = f->msgid.v};
    }
    if (row != NULL && row->refused_in != 0 && row->refused_in != session)
        row->is_sent_after_refusal = true;
    if (row == NULL || b->sends_n == GATEBOOK_SENDS)
        b->is_full = true;
    else if (!was_sent(b, &send))
        b->sends[b->sends_n++] = send;
}

static void note_cursor(struct gatebook *b, unsigned who, uint32_t cursor)
{
    uint32_t *stated = &b->stated[gatebook_who[who].user];
    if (*stated < cursor)
        *stated = cursor;
}

void gatebook_sent(struct gatebook *b, unsigned who, unsigned session, struct sp_view frames)
{
    while (frames.n > 0) {
        struct sp_frame f;
        size_t used = 0;
        if (sp_wire_decode(frames, SP_DIR_UP, &f, &used) != 0)
            return;
        if (f.kind == SP_KIND_MSG_R)
            note_msg_r(b, who, session, &f.u.msg_r);
        else if (f.kind == SP_KIND_ACK_R && (f.u.ack_r.kind & SP_ACK_R_READ) == 0)
            note_cursor(b, who, f.u.ack_r.cursor.v);
        else if (f.kind == SP_KIND_PULL_R && (f.u.pull_r.flags & SP_PULL_CONFIRMS) != 0)
            note_cursor(b, who, f.u.pull_r.cursor.v);
        frames.p += used;
        frames.n -= used;
    }
}

/* ---- from the gateway ---- */

/* Errors that say nothing about what was stored under the same id in another form. */
static bool is_about_form(uint8_t code)
{
    return code == SP_CODE_ID_REUSED || code == SP_CODE_DUP_EXPIRED || code == SP_CODE_TOO_BIG ||
           code == SP_CODE_NO_USER || code == SP_CODE_BUSY;
}

/* G1, G2, G4, G7. */
static void hear_msg_a(struct gatebook *b, unsigned who, unsigned session, const struct sp_frame_msg_a *f)
{
    struct gatebook_row *row = find(b, who, f->msgid.v);
    fuzz_tell("    msg:A to %u: msgid %llu code %u seq %u state %u", who, (unsigned long long)f->msgid.v,
              f->code, f->seq.v, f->state);
    FUZZ_CHECK(row != NULL || b->is_full);
    if (row == NULL)
        return;
    if (f->code == SP_CODE_OK) {
        FUZZ_CHECK(!row->is_ok || row->seq == f->seq.v);
        FUZZ_CHECK(f->seq.v != 0);
        FUZZ_CHECK(row->refused_in != session);
        row->is_ok = true;
        row->seq = f->seq.v;
    } else if (!is_about_form(f->code)) {
        FUZZ_CHECK(!row->is_ok);
        row->refused_in = session;
    }
}

/* G7, G10, and who may be named as sender: one identity has one place, one place one identity. */
static void check_notice(const struct gatebook *b, const struct gatebook_notice *n)
{
    for (size_t i = 0; i < b->notices_n; i++) {
        const struct gatebook_notice *o = &b->notices[i];
        bool is_same_place = o->user == n->user && o->seq == n->seq;
        bool is_same_message = o->who == n->who && o->msgid == n->msgid;
        FUZZ_CHECK(is_same_place == is_same_message);
        FUZZ_CHECK(!is_same_place || o->body == n->body);
    }
    struct gatebook_send send = {n->who, n->msgid, hash(name(n->user)), n->body};
    FUZZ_CHECK(b->is_full || was_sent(b, &send));
}

static void note_notice(struct gatebook *b, const struct gatebook_notice *n)
{
    const struct gatebook_row *row = find(b, n->who, n->msgid);
    check_notice(b, n);
    FUZZ_CHECK(row == NULL || !row->is_ok || row->seq == n->seq);
    for (size_t i = 0; i < b->notices_n; i++) {
        if (b->notices[i].user == n->user && b->notices[i].seq == n->seq)
            return;
    }
    if (b->notices_n < GATEBOOK_NOTICES)
        b->notices[b->notices_n++] = *n;
}

static void hear_msg_n(struct gatebook *b, unsigned who, const struct sp_frame_msg_n *f)
{
    struct gatebook_notice n = {.user = gatebook_who[who].user,
                                .who = who_is(f->from, f->device),
                                .seq = f->seq.v,
                                .msgid = f->msgid.v,
                                .body = hash(f->body)};
    fuzz_tell("    msg:N to %u: seq %u msgid %llu of %u", who, n.seq, (unsigned long long)n.msgid, n.who);
    FUZZ_CHECK((f->flags & (SP_MSG_FRAG | SP_MSG_GROUP)) == 0);
    note_notice(b, &n);
}

/* G5. */
static void hear_ack_n(struct gatebook *b, unsigned who, const struct sp_frame_ack_n *f)
{
    struct gatebook_row *row = find(b, who, f->msgid.v);
    fuzz_tell("    ack:N to %u: msgid %llu state %u", who, (unsigned long long)f->msgid.v, f->state);
    FUZZ_CHECK(row != NULL || b->is_full);
    if (row == NULL)
        return;
    FUZZ_CHECK(f->state >= row->told);
    FUZZ_CHECK(f->state < SP_STATE_ENDED || row->told < SP_STATE_DELIVERED || row->told >= SP_STATE_ENDED);
    row->told = f->state;
    if (f->state == SP_STATE_DELIVERED || f->state == SP_STATE_READ)
        row->is_told_delivered = true;
}

void gatebook_heard(struct gatebook *b, unsigned who, unsigned session, struct sp_view frames)
{
    while (frames.n > 0) {
        struct sp_frame f;
        size_t used = 0;
        FUZZ_CHECK(sp_wire_decode(frames, SP_DIR_DOWN, &f, &used) == 0);
        if (f.kind == SP_KIND_MSG_A)
            hear_msg_a(b, who, session, &f.u.msg_a);
        else if (f.kind == SP_KIND_MSG_N)
            hear_msg_n(b, who, &f.u.msg_n);
        else if (f.kind == SP_KIND_ACK_N)
            hear_ack_n(b, who, &f.u.ack_n);
        frames.p += used;
        frames.n -= used;
    }
}

/* ---- the store ---- */

/* Asks until there is an answer.  The caller releases it. */
static struct sp_store_done ask(struct sp_store_port *port, const struct sp_store_req *req, sp_time *now)
{
    struct sp_store_done done;
    for (unsigned tries = 0;; tries++) {
        size_t n = 0;
        FUZZ_CHECK(tries < TRIES_MAX);
        FUZZ_CHECK(sp_store_submit(port, req, 1) == 0);
        while (n == 0) {
            sp_time at = sp_store_deadline(port);
            FUZZ_CHECK(at != SP_NEVER);
            *now = at > *now ? at : *now;
            FUZZ_CHECK(sp_store_poll(port, &done, 1, &n, *now) == 0);
        }
        if (done.err != SP_EUNKNOWN && done.err != SP_EBUSY)
            return done;
        sp_store_release(port, &done);
    }
}

/* G1, G2, G6. */
static void check_row(struct gatebook *b, const struct gatebook_row *row, struct sp_store_port *port,
                      sp_time *now, int64_t unix_us)
{
    struct sp_msgid id = {row->msgid};
    struct sp_store_req req = {
        .op = SP_STORE_STATUS,
        .from = {.user = {name(gatebook_who[row->who].user)}, .device = gatebook_who[row->who].device},
        .msgids = &id,
        .msgids_n = 1,
        .at_us = unix_us};
    struct sp_store_done done = ask(port, &req, now);
    FUZZ_CHECK(done.err == 0);
    FUZZ_CHECK(done.entries_n == 1);
    const struct sp_store_entry *e = &done.entries[0];
    bool is_gone = row->msgid <= done.finished.v || b->has_aged;
    FUZZ_CHECK(!row->is_ok || is_gone || (e->state != SP_STATE_UNKNOWN && e->seq.v == row->seq));
    FUZZ_CHECK(row->refused_in == 0 || row->is_sent_after_refusal || e->state == SP_STATE_UNKNOWN);
    if (e->state != SP_STATE_UNKNOWN && row->is_told_delivered) {
        unsigned to = user_of(e->to.id);
        FUZZ_CHECK(to < GATEBOOK_USERS);
        FUZZ_CHECK(b->stated[to] >= e->seq.v);
    }
    sp_store_release(port, &done);
}

/* G10, G13: what is still to be read was sent by whom it names, and the cursor is one that the user stated.
 */
static void check_box(struct gatebook *b, unsigned user, uint32_t head_start, struct sp_store_port *port,
                      sp_time *now, int64_t unix_us)
{
    struct sp_user to = {name(user)};
    struct sp_store_req req = {.op = SP_STORE_HEAD, .to = &to, .to_n = 1, .device = 1, .at_us = unix_us};
    struct sp_store_done done = ask(port, &req, now);
    FUZZ_CHECK(done.err == 0);
    FUZZ_CHECK(done.confirmed.v <= done.svr_seq.v);
    FUZZ_CHECK(done.confirmed.v <= (b->stated[user] > head_start ? b->stated[user] : head_start));
    req.op = SP_STORE_RANGE;
    req.seq = done.confirmed;
    sp_store_release(port, &done);
    done = ask(port, &req, now);
    FUZZ_CHECK(done.err == 0);
    for (size_t i = 0; i < done.entries_n; i++) {
        const struct sp_store_entry *e = &done.entries[i];
        struct gatebook_notice n = {.user = user,
                                    .who = who_is(e->from.user.id, e->from.device),
                                    .seq = e->seq.v,
                                    .msgid = e->from.msgid.v,
                                    .body = hash(e->body)};
        note_notice(b, &n);
    }
    sp_store_release(port, &done);
}

void gatebook_close(struct gatebook *b, uint32_t head_start, struct sp_store_port *port, sp_time now,
                    int64_t unix_us)
{
    for (size_t i = 0; i < b->rows_n; i++)
        check_row(b, &b->rows[i], port, &now, unix_us);
    for (unsigned u = 0; u < GATEBOOK_USERS; u++)
        check_box(b, u, head_start, port, &now, unix_us);
}
