/* An inbox with a local store that can fail, the frames of a mailbox played by the test, and what the inbox
 * sends and tells as text. */
#ifndef SP_TEST_INBOX_RIG_H
#define SP_TEST_INBOX_RIG_H

#include "inbox.h"

#include "crypto_sodium.h"
#include "fakelocal.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define EPOCH 77
#define PTO   (150 * SP_MS)

struct rig {
    struct fakelocal local;
    struct sp_ledger ledger;
    struct sp_rng rng;
    struct sp_inbox in;
    struct sp_inbox_slot *slots;
    uint16_t slots_n;
    sp_time now;
    struct sp_frame_pull_r pull; /* the newest sent */
    struct sp_frame_ack_r ack;
};

static inline void start(struct rig *r)
{
    uint8_t seed[32] = {1};
    struct sp_local_state state;
    sp_rng_init(&r->rng, sp_crypto_sodium(), seed);
    sp_ledger_init(&r->ledger, &r->local.table);
    cr_assert_eq(r->local.table.load(r->local.table.self, &state), 0);
    struct sp_inbox_config cfg = {
        .ledger = &r->ledger, .rng = &r->rng, .slots = r->slots, .slots_n = r->slots_n};
    sp_inbox_init(&r->in, &cfg, &state);
}

static inline struct rig *open_rig(uint16_t slots_n, uint64_t epoch, uint32_t cursor)
{
    static struct rig r;
    r = (struct rig){.slots_n = slots_n, .now = SP_SECOND, .slots = calloc(slots_n, sizeof *r.slots)};
    cr_assert_not_null(r.slots);
    fakelocal_init(&r.local);
    r.local.now->state.epoch.v = r.local.disk->state.epoch.v = epoch;
    r.local.now->state.cursor.v = r.local.disk->state.cursor.v = cursor;
    start(&r);
    return &r;
}

static inline void close_rig(struct rig *r)
{
    free(r->slots);
    fakelocal_wipe(&r->local);
}

/* All frames that leave now: "P120/256" a confirming pull from 120 of up to 256, "p..." one that does not
 * confirm, "A150" an ack:R, "a150" one that wants no answer; held ranges follow as "+lo-hi". */
static inline const char *sent(struct rig *r)
{
    static char text[1024];
    struct sp_frame f;
    size_t n = 0;
    text[0] = '\0';
    if (sp_inbox_step(&r->in, PTO, r->now))
        (void)sp_ledger_sync(&r->ledger, r->now);
    while (sp_inbox_frame(&r->in, &f, r->now) == 0) {
        const char *gap = n > 0 ? " " : "";
        const struct sp_range *held = f.kind == SP_KIND_PULL_R ? f.u.pull_r.held : f.u.ack_r.held;
        size_t held_n = f.kind == SP_KIND_PULL_R ? f.u.pull_r.n : f.u.ack_r.n;
        if (f.kind == SP_KIND_PULL_R) {
            r->pull = f.u.pull_r;
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%c%u/%u", gap,
                                  (r->pull.flags & SP_PULL_CONFIRMS) != 0 ? 'P' : 'p', r->pull.cursor.v,
                                  r->pull.max);
        } else {
            r->ack = f.u.ack_r;
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%c%u", gap,
                                  (r->ack.kind & SP_ACK_R_SILENT) != 0 ? 'a' : 'A', r->ack.cursor.v);
        }
        for (size_t i = 0; i < held_n; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "+%u-%u", held[i].lo, held[i].hi);
        sp_inbox_note_sent(&r->in, &f, r->now);
        cr_assert_lt(n, sizeof text - 100, "it never ends: %s", text);
    }
    return text;
}

static inline void message_with(struct rig *r, uint32_t seq, uint8_t flags)
{
    char body[32];
    int len = snprintf(body, sizeof body, "body %u", seq);
    struct sp_frame_msg_n f = {.flags = flags,
                               .seq = {seq},
                               .msgid = {1000 + seq},
                               .device = 5,
                               .at_ms = 42,
                               .from = {(const uint8_t *)"ann", 3},
                               .body = {(const uint8_t *)body, (size_t)len}};
    sp_inbox_msg_n(&r->in, &f, r->now);
}

static inline void message(struct rig *r, uint32_t seq)
{
    message_with(r, seq, 0);
}

/* The answer to the newest pull. */
static inline void answer_with(struct rig *r, uint8_t code, uint32_t to, uint32_t svr, uint32_t confirmed)
{
    struct sp_frame_pull_a f = {.code = code,
                                .id = r->pull.id,
                                .epoch = r->pull.epoch,
                                .to = {to},
                                .svr_seq = {svr},
                                .confirmed = {confirmed}};
    sp_inbox_pull_a(&r->in, &f, r->now);
}

static inline void answer(struct rig *r, uint32_t to, uint32_t svr)
{
    answer_with(r, SP_CODE_OK, to, svr, r->pull.cursor.v);
}

static inline void acked(struct rig *r, uint8_t code, uint32_t confirmed)
{
    struct sp_frame_ack_a f = {.id = r->ack.id, .code = code, .confirmed = {confirmed}};
    sp_inbox_ack_a(&r->in, &f, r->now);
}

/* All events: "5" a message, "6-9!1" skipped, "R20" resync. */
static inline const char *told(struct rig *r)
{
    static char text[16384];
    struct sp_client_event ev;
    size_t n = 0;
    text[0] = '\0';
    while (sp_inbox_poll(&r->in, &ev, r->now) == 0) {
        const char *gap = n > 0 ? " " : "";
        if (ev.kind == SP_CLIENT_MESSAGE) {
            char body[32];
            int len = snprintf(body, sizeof body, "body %u", ev.seq.v);
            cr_assert_eq(ev.body.n, (size_t)len);
            cr_assert_eq(memcmp(ev.body.p, body, ev.body.n), 0, "%u", ev.seq.v);
            cr_assert_eq(ev.msgid.v, 1000 + ev.seq.v);
            cr_assert_eq(ev.device, 5);
            cr_assert_eq(ev.at_ms, 42);
            cr_assert_eq(ev.from.id.n, 3);
            cr_assert_eq(memcmp(ev.from.id.p, "ann", 3), 0);
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%u", gap, ev.seq.v);
        } else if (ev.kind == SP_CLIENT_SKIPPED) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%u-%u!%u", gap, ev.lo.v, ev.hi.v, ev.why);
        } else {
            n += (size_t)snprintf(text + n, sizeof text - n, "%sR%u", gap, ev.lo.v);
        }
    }
    return text;
}

/* A session that is bound at `cursor` with nothing in the mailbox above it. */
static inline void bind_session(struct rig *r)
{
    sp_inbox_session_up(&r->in, r->now);
    cr_assert_neq(strlen(sent(r)), 0);
    answer(r, r->pull.cursor.v, r->pull.cursor.v);
    cr_assert_str_eq(sent(r), "");
}

#endif
