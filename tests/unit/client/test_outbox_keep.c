/* The waiting-ack queue over time, restarts and failing storage: what local storage promises. */
#include "outbox_rig.h"

Test(outbox_keep, six_days_without_answer_is_unknown)
{
    struct rig *r = open_rig(16);
    up(r);
    (void)submit(r, "bob", "sent");
    (void)sent(r);
    sp_outbox_session_lost(&r->box, r->now);
    (void)submit(r, "bob", "never sent");
    r->now += (sp_time)6 * 86400 * SP_SECOND - 10 * SP_SECOND;
    (void)sent(r);
    cr_expect_str_eq(told(r), "");
    r->now += 3700 * SP_SECOND;
    (void)sent(r);
    cr_expect_str_eq(told(r), "1:u");
    up(r);
    cr_expect_str_eq(sent(r), "d1 m2");
    close_rig(r);
}

Test(outbox_keep, six_days_count_over_a_restart)
{
    struct rig *r = open_rig(16);
    up(r);
    (void)submit(r, "bob", "sent");
    (void)sent(r);
    fakelocal_crash(&r->local);
    r->unix_s += 6 * 86400;
    cr_assert_eq(start(r), 0);
    up(r);
    cr_expect_str_eq(sent(r), "");
    cr_expect_str_eq(told(r), "1:u");
    close_rig(r);
}

Test(outbox_keep, restart_resumes)
{
    struct rig *r = open_rig(16);
    struct sp_msgid ids[3];
    up(r);
    for (int i = 0; i < 3; i++)
        ids[i] = submit(r, "bob", "x");
    (void)sent(r);
    (void)answer(r, ids[0], SP_CODE_OK, 1, 0);
    (void)answer(r, ids[1], SP_CODE_OK, 3, 0);
    (void)told(r);
    cr_assert_eq(sp_ledger_sync(&r->ledger, r->now), 0);
    (void)submit(r, "bob", "not durable");
    fakelocal_crash(&r->local);
    r->unix_s -= 86400; /* a clock that went back must not bring msgids back */
    cr_assert_eq(start(r), 0);
    cr_expect_eq(sp_outbox_count(&r->box), 2);
    up(r);
    cr_expect_str_eq(sent(r), "s1 m3");
    struct sp_msgid next = submit(r, "bob", "x");
    cr_expect_eq(next.v, ids[2].v + 1);
    close_rig(r);
}

Test(outbox_keep, msgids_rise_over_an_empty_store)
{
    struct rig *r = open_rig(16);
    up(r);
    struct sp_msgid id = submit(r, "bob", "x");
    (void)sent(r);
    (void)answer(r, id, SP_CODE_OK, 3, 0);
    (void)told(r);
    (void)sent(r);
    cr_assert_eq(fakelocal_count(r->local.disk), 0);
    fakelocal_crash(&r->local);
    cr_assert_eq(start(r), 0);
    cr_expect_eq(submit(r, "bob", "y").v, id.v + 1, "`last` stays after drop");
    close_rig(r);
}

Test(outbox_keep, bad_rows_are_refused)
{
    static const struct {
        uint8_t state;
        size_t to_n;
        int rc;
    } t[] = {{0, 3, 0},   {2, 3, 0},          {3, 3, SP_ECORRUPT}, {127, 3, SP_ECORRUPT},
             {133, 3, 0}, {0, 0, SP_ECORRUPT}};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct rig *r = open_rig(16);
        struct sp_outgoing m = {.msgid = {(uint64_t)UNIX << 32 | 1},
                                .to = {(const uint8_t *)"bob", t[i].to_n},
                                .body = {(const uint8_t *)"x", 1},
                                .state = t[i].state};
        cr_assert_eq(r->local.table.put(r->local.table.self, &m), 0);
        cr_expect_eq(start(r), t[i].rc, "row %zu", i);
        close_rig(r);
    }
}

Test(outbox_keep, more_rows_than_places)
{
    struct rig *r = open_rig(4);
    struct sp_msgid id;
    struct sp_outgoing m = {.to = {(const uint8_t *)"bob", 3}, .body = {(const uint8_t *)"x", 1}};
    for (int i = 0; i < 4; i++)
        (void)submit(r, "bob", "x");
    cr_expect_eq(sp_outbox_submit(&r->box, &m, &id, r->now), SP_EFULL);
    r->max = 3;
    cr_expect_eq(start(r), SP_EFULL);
    close_rig(r);
}

Test(outbox_keep, arguments_are_checked)
{
    static uint8_t big[SP_PART_MAX + 1], name[SP_USER_MAX + 1];
    static const struct {
        size_t to_n, body_n;
        int rc;
    } t[] = {{1, 0, 0},
             {SP_USER_MAX, SP_PART_MAX, 0},
             {0, 1, SP_EINVAL},
             {SP_USER_MAX + 1, 1, SP_EINVAL},
             {1, SP_PART_MAX + 1, SP_EBIG}};
    struct rig *r = open_rig(16);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct sp_msgid id;
        struct sp_outgoing m = {.to = {name, t[i].to_n}, .body = {big, t[i].body_n}};
        cr_expect_eq(sp_outbox_submit(&r->box, &m, &id, r->now), t[i].rc, "row %zu", i);
    }
    close_rig(r);
}

Test(outbox_keep, forget_lets_go_of_safe_messages_only)
{
    struct rig *r = open_rig(16);
    up(r);
    struct sp_msgid id = submit(r, "bob", "x");
    (void)sent(r);
    cr_expect_eq(sp_outbox_forget(&r->box, id, r->now), SP_EAGAIN, "not taken yet");
    (void)answer(r, id, SP_CODE_OK, 2, 0);
    cr_expect_eq(sp_outbox_forget(&r->box, id, r->now), 0);
    cr_expect_eq(sp_outbox_forget(&r->box, id, r->now), SP_EAGAIN);
    cr_expect_eq(sp_outbox_count(&r->box), 0);
    cr_expect_str_eq(told(r), "");
    cr_expect_str_eq(sent(r), "d1");
    close_rig(r);
}

Test(outbox_keep, the_app_asks)
{
    struct rig *r = open_rig(16);
    for (uint32_t i = 0; i < SP_ASK_APP_MAX; i++)
        cr_assert_eq(sp_ask_app(&r->box.ask, (struct sp_msgid){1000 + i}), 0);
    cr_expect_eq(sp_ask_app(&r->box.ask, (struct sp_msgid){1}), SP_EFULL);
    cr_expect_str_eq(sent(r), "");
    up(r);
    cr_expect_neq(strlen(sent(r)), 0);
    sp_outbox_session_lost(&r->box, r->now);
    up(r);
    cr_expect_neq(strlen(sent(r)), 0, "asked again in the next session");
    struct sp_frame_status_a f = {.id = ask_id(r), .n = SP_STATUS_MAX};
    f.of[0].state = 3;
    f.of[0].seq.v = 77;
    sp_outbox_status_a(&r->box, &f, r->now);
    cr_expect_eq(strncmp(told(r), "1000:q3/77 1001:q0/0 ", 21), 0);
    close_rig(r);
}

/* A gateway for random steps: what it knows of each message only rises, and a refusal stays one. */
enum { MESSAGES = 300, REFUSED = 100 };
static uint8_t gateway[MESSAGES + 1];

static void random_answer(struct rig *r, uint32_t n, uint32_t x)
{
    struct sp_msgid id = {((uint64_t)UNIX << 32) + n};
    if (gateway[n] == 0 && (x & 3) == 0)
        gateway[n] = REFUSED;
    else if (gateway[n] == 0)
        gateway[n] = (uint8_t)(1 + (x & 1));
    if (gateway[n] == REFUSED)
        (void)answer(r, id, SP_CODE_QUOTA, 0, 0);
    else if ((x & 12) == 0)
        (void)answer(r, id, SP_CODE_BUSY, 0, 3);
    else
        (void)answer(r, id, SP_CODE_OK, gateway[n], 0);
}

static void random_notice(struct rig *r, uint32_t n)
{
    struct sp_msgid id = {((uint64_t)UNIX << 32) + n};
    if (gateway[n] == 0 || gateway[n] == REFUSED)
        return;
    gateway[n] = SP_STATE_DELIVERED;
    notice(r, id, SP_STATE_DELIVERED);
}

static void answer_questions(struct rig *r)
{
    for (size_t i = 0; i < SP_ASK_REQUESTS_MAX; i++) {
        const struct sp_ask_request *q = &r->box.ask.requests[i];
        if (!q->is_used || !q->answer.is_waiting)
            continue;
        struct sp_frame_status_a f = {.id = q->frame.id, .n = q->frame.n};
        for (size_t k = 0; k < f.n; k++) {
            uint8_t state = gateway[(uint32_t)q->frame.msgids[k].v];
            f.of[k].state = state == REFUSED ? 0 : state;
        }
        sp_outbox_status_a(&r->box, &f, r->now);
    }
}

/* Answers, errors, sessions, crashes and failing storage in random order: each message comes to one end,
 * states only rise, and what the app is told is what the gateway knows. */
Test(outbox_keep, random_steps_lose_nothing)
{
    struct rig *r = open_rig(64);
    uint8_t state[MESSAGES + 1] = {0}; /* as told; REFUSED: failed */
    uint32_t x = 4711, submitted = 0;
    for (int step = 0; step < 60000; step++) {
        x = x * 1664525U + 1013904223U;
        uint32_t what = (x >> 24) % 16, some = 1 + (x >> 4) % MESSAGES;
        r->now += (x >> 10) % 400 * SP_MS;
        if (what < 4 && submitted < MESSAGES) {
            struct sp_msgid id;
            struct sp_outgoing m = {.to = {(const uint8_t *)&"abc"[what % 3], 1},
                                    .body = {(const uint8_t *)"x", 1}};
            if (sp_outbox_submit(&r->box, &m, &id, r->now) == 0)
                submitted = (uint32_t)id.v;
        } else if (what < 8) {
            (void)sent(r);
        } else if (what < 11 && some <= submitted) {
            random_answer(r, some, x >> 16);
        } else if (what == 11) {
            random_notice(r, some);
        } else if (what == 12 && (x >> 20) % 4 == 0) {
            sp_outbox_session_lost(&r->box, r->now);
            up(r);
        } else if (what == 13 && (x >> 20) % 8 == 0) {
            fakelocal_crash(&r->local);
            cr_assert_eq(start(r), 0);
            submitted = (uint32_t)r->box.last.v; /* what was not durable was never promised */
            up(r);
        } else if (what == 14 && (x >> 20) % 4 == 0) {
            r->local.fail_in = 1 + (int)((x >> 16) % 5);
        } else {
            answer_questions(r);
        }
        struct sp_client_event ev;
        while (sp_outbox_poll(&r->box, &ev, r->now) == 0) {
            uint32_t n = (uint32_t)ev.msgid.v;
            cr_assert(n >= 1 && n <= MESSAGES);
            cr_assert_neq(ev.kind, SP_CLIENT_UNKNOWN);
            uint8_t now = ev.kind == SP_CLIENT_RECEIPT ? ev.state : REFUSED;
            cr_assert_geq(now, state[n], "%u: %u after %u", n, now, state[n]);
            cr_assert_leq(now, gateway[n]);
            state[n] = now;
        }
    }
    cr_expect_eq(submitted, MESSAGES);
    for (uint32_t n = 1; n <= MESSAGES; n++)
        cr_expect_geq(state[n], SP_STATE_DELIVERED, "%u: %u", n, state[n]);
    close_rig(r);
}
