/* An outbox with a local store that can fail, and its frames and events as text. */
#ifndef SP_TEST_OUTBOX_RIG_H
#define SP_TEST_OUTBOX_RIG_H

#include "outbox.h"

#include "crypto_sodium.h"
#include "fakelocal.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define UNIX 1700000000
#define PTO3 (900 * SP_MS)

struct rig {
    struct fakelocal local;
    struct sp_ledger ledger;
    struct sp_rng rng;
    struct sp_outbox box;
    void *mem;
    size_t max;
    sp_time now;
    int64_t unix_s;
};

static inline int start(struct rig *r)
{
    uint8_t seed[32] = {1};
    struct sp_local_state state;
    sp_rng_init(&r->rng, sp_crypto_sodium(), seed);
    sp_ledger_init(&r->ledger, &r->local.table);
    free(r->mem);
    r->mem = malloc(sp_outbox_footprint(r->max));
    cr_assert_not_null(r->mem);
    cr_assert_eq(r->local.table.load(r->local.table.self, &state), 0);
    struct sp_outbox_config cfg = {.ledger = &r->ledger, .rng = &r->rng, .max = r->max, .unix_s = r->unix_s};
    return sp_outbox_init(&r->box, r->mem, &cfg, &state, r->now);
}

static inline struct rig *open_rig(size_t max)
{
    static struct rig r;
    r = (struct rig){.max = max, .now = SP_SECOND, .unix_s = UNIX};
    fakelocal_init(&r.local);
    cr_assert_eq(start(&r), 0);
    return &r;
}

static inline void close_rig(struct rig *r)
{
    free(r->mem);
    fakelocal_wipe(&r->local);
}

static inline void up(struct rig *r)
{
    sp_outbox_session_up(&r->box, r->now);
}

static inline struct sp_msgid submit(struct rig *r, const char *to, const char *body)
{
    struct sp_msgid id;
    struct sp_outgoing m = {.to = {(const uint8_t *)to, strlen(to)},
                            .body = {(const uint8_t *)body, strlen(body)}};
    cr_assert_eq(sp_outbox_submit(&r->box, &m, &id, r->now), 0);
    return id;
}

/* All frames that leave now, as text: "m1(after)" for msg:R, "s1,2" for STATUS:R, "d1" for DONE, by counter
 * of msgid. */
static inline const char *sent(struct rig *r)
{
    static char text[65536];
    struct sp_frame f;
    uint64_t ref;
    size_t n = 0;
    text[0] = '\0';
    if (sp_outbox_step(&r->box, r->now))
        (void)sp_ledger_sync(&r->ledger, r->now);
    while (sp_outbox_frame(&r->box, &f, &ref, r->now) == 0) {
        const char *gap = n > 0 ? " " : "";
        if (f.kind == SP_KIND_MSG_R) {
            cr_assert_eq(ref, f.u.msg_r.msgid.v);
            n += (size_t)snprintf(text + n, sizeof text - n, "%sm%u", gap, (uint32_t)f.u.msg_r.msgid.v);
            if ((f.u.msg_r.flags & SP_MSG_AFTER) != 0)
                n += (size_t)snprintf(text + n, sizeof text - n, "(%u)", (uint32_t)f.u.msg_r.after.v);
        } else if (f.kind == SP_KIND_DONE) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%sd%u", gap, (uint32_t)f.u.done.msgid.v);
        } else {
            cr_assert_eq(f.kind, SP_KIND_STATUS_R);
            for (size_t i = 0; i < f.u.status_r.n; i++)
                n += (size_t)snprintf(text + n, sizeof text - n, "%s%u",
                                      i > 0   ? ","
                                      : n > 0 ? " s"
                                              : "s",
                                      (uint32_t)f.u.status_r.msgids[i].v);
        }
        sp_outbox_note_sent(&r->box, &f, PTO3, r->now);
    }
    return text;
}

/* Takes the id of the one STATUS:R that is out. */
static inline uint16_t ask_id(const struct rig *r)
{
    for (size_t i = 0; i < SP_ASK_REQUESTS_MAX; i++)
        if (r->box.ask.requests[i].is_used)
            return r->box.ask.requests[i].frame.id;
    cr_assert_fail("no question is out");
    return 0;
}

static inline void status(struct rig *r, uint8_t state)
{
    struct sp_frame_status_a f = {.id = ask_id(r)};
    for (size_t i = 0; i < SP_ASK_REQUESTS_MAX; i++)
        if (r->box.ask.requests[i].is_used && r->box.ask.requests[i].frame.id == f.id)
            f.n = r->box.ask.requests[i].frame.n;
    for (size_t i = 0; i < f.n; i++)
        f.of[i].state = state;
    sp_outbox_status_a(&r->box, &f, r->now);
}

static inline bool answer(struct rig *r, struct sp_msgid id, uint8_t code, uint8_t state, uint16_t retry)
{
    struct sp_frame_msg_a f = {.code = code, .state = state, .retry = retry, .msgid = id};
    return sp_outbox_msg_a(&r->box, &f, r->now);
}

static inline void notice(struct rig *r, struct sp_msgid id, uint8_t state)
{
    struct sp_frame_ack_n f = {.msgid = id, .state = state};
    (void)sp_outbox_ack_n(&r->box, &f, r->now);
}

/* All events, as text: "1:s2" receipt, "1:f5" failed, "1:u" unknown, "1:q3/7" status. */
static inline const char *told(struct rig *r)
{
    static char text[8192];
    struct sp_client_event ev;
    size_t n = 0;
    text[0] = '\0';
    while (sp_outbox_poll(&r->box, &ev, r->now) == 0) {
        const char *gap = n > 0 ? " " : "";
        uint32_t id = (uint32_t)ev.msgid.v;
        if (ev.kind == SP_CLIENT_RECEIPT)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%u:s%u", gap, id, ev.state);
        else if (ev.kind == SP_CLIENT_FAILED)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%u:f%d", gap, id, ev.code);
        else if (ev.kind == SP_CLIENT_UNKNOWN)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%u:u", gap, id);
        else
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%u:q%u/%u", gap, id, ev.state, ev.seq.v);
    }
    return text;
}

#endif
