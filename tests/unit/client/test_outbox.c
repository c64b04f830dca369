/* The waiting-ack queue: the table of docs/protocol.md, section 5.2, one row a test, and what local storage
 * promises. */
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

static int start(struct rig *r)
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

static struct rig *open_rig(size_t max)
{
    static struct rig r;
    r = (struct rig){.max = max, .now = SP_SECOND, .unix_s = UNIX};
    fakelocal_init(&r.local);
    cr_assert_eq(start(&r), 0);
    return &r;
}

static void close_rig(struct rig *r)
{
    free(r->mem);
    fakelocal_wipe(&r->local);
}

static void up(struct rig *r)
{
    sp_outbox_session_up(&r->box, r->now);
}

static struct sp_msgid submit(struct rig *r, const char *to, const char *body)
{
    struct sp_msgid id;
    struct sp_outgoing m = {.to = {(const uint8_t *)to, strlen(to)},
                            .body = {(const uint8_t *)body, strlen(body)}};
    cr_assert_eq(sp_outbox_submit(&r->box, &m, &id, r->now), 0);
    return id;
}

/* All frames that leave now, as text: "m1(after)" for msg:R, "s1,2" for STATUS:R, "d1" for DONE, by counter
 * of msgid. */
static const char *sent(struct rig *r)
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
static uint16_t ask_id(const struct rig *r)
{
    for (size_t i = 0; i < SP_ASK_REQUESTS_MAX; i++)
        if (r->box.ask.requests[i].is_used)
            return r->box.ask.requests[i].frame.id;
    cr_assert_fail("no question is out");
    return 0;
}

static void status(struct rig *r, uint8_t state)
{
    struct sp_frame_status_a f = {.id = ask_id(r)};
    for (size_t i = 0; i < SP_ASK_REQUESTS_MAX; i++)
        if (r->box.ask.requests[i].is_used && r->box.ask.requests[i].frame.id == f.id)
            f.n = r->box.ask.requests[i].frame.n;
    for (size_t i = 0; i < f.n; i++)
        f.of[i].state = state;
    sp_outbox_status_a(&r->box, &f, r->now);
}

static bool answer(struct rig *r, struct sp_msgid id, uint8_t code, uint8_t state, uint16_t retry)
{
    struct sp_frame_msg_a f = {.code = code, .state = state, .retry = retry, .msgid = id};
    return sp_outbox_msg_a(&r->box, &f, r->now);
}

static void notice(struct rig *r, struct sp_msgid id, uint8_t state)
{
    struct sp_frame_ack_n f = {.msgid = id, .state = state};
    (void)sp_outbox_ack_n(&r->box, &f, r->now);
}

/* All events, as text: "1:s2" receipt, "1:f5" failed, "1:u" unknown, "1:q3/7" status. */
static const char *told(struct rig *r)
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

Test(outbox, six_reports)
{
    struct rig *r = open_rig(16);
    struct sp_msgid id = submit(r, "bob", "hello");
    cr_expect_eq(id.v, ((uint64_t)UNIX << 32) + 1);
    cr_expect_str_eq(sent(r), "", "nothing leaves without a session");
    up(r);
    cr_expect_str_eq(sent(r), "m1");
    cr_expect_str_eq(sent(r), "", "once is enough: the link repeats");
    cr_expect(answer(r, id, SP_CODE_OK, 1, 0), "the link may withdraw its copies");
    cr_expect_str_eq(told(r), "1:s1");
    notice(r, id, 3);
    cr_expect_str_eq(told(r), "1:s3");
    cr_expect_eq(sp_outbox_count(&r->box), 0);
    cr_expect_str_eq(sent(r), "d1");
    cr_expect_eq(fakelocal_count(r->local.disk), 0);
    close_rig(r);
}

Test(outbox, nothing_leaves_before_it_is_durable)
{
    struct rig *r = open_rig(16);
    struct sp_frame f;
    uint64_t ref;
    up(r);
    (void)submit(r, "bob", "x");
    cr_expect(sp_outbox_step(&r->box, r->now), "it says that it waits for a sync");
    cr_expect_eq(sp_outbox_frame(&r->box, &f, &ref, r->now), SP_EAGAIN);
    cr_expect_eq(fakelocal_count(r->local.disk), 0);
    cr_assert_eq(sp_ledger_sync(&r->ledger, r->now), 0);
    cr_expect_eq(fakelocal_count(r->local.disk), 1);
    cr_expect_eq(fakelocal_find(r->local.disk, (struct sp_msgid){((uint64_t)UNIX << 32) + 1})->m.first_s,
                 UNIX);
    cr_expect_eq(sp_outbox_frame(&r->box, &f, &ref, r->now), 0);
    close_rig(r);
}

Test(outbox, storage_fails_for_a_while)
{
    struct rig *r = open_rig(16);
    struct sp_msgid id;
    struct sp_outgoing m = {.to = {(const uint8_t *)"bob", 3}, .body = {(const uint8_t *)"x", 1}};
    r->local.is_broken = true;
    cr_expect_eq(sp_outbox_submit(&r->box, &m, &id, r->now), SP_EIO);
    cr_expect_eq(sp_outbox_count(&r->box), 0);
    r->local.is_broken = false;
    r->now += 2 * SP_SECOND;
    id = submit(r, "bob", "x");
    cr_expect_eq((uint32_t)id.v, 1, "the failed one used no msgid");
    up(r);
    r->local.is_broken = true;
    cr_expect_str_eq(sent(r), "");
    cr_expect_eq(sp_ledger_take_error(&r->ledger), SP_EIO);
    cr_expect_eq(sp_ledger_take_error(&r->ledger), 0, "told once");
    unsigned calls = r->local.calls;
    cr_expect_str_eq(sent(r), "");
    cr_expect_eq(r->local.calls, calls, "a broken storage is not asked all the time");
    cr_expect_gt(sp_outbox_deadline(&r->box), r->now, "and nobody spins");
    r->local.is_broken = false;
    r->now += SP_SECOND;
    cr_expect_leq(sp_outbox_deadline(&r->box), r->now);
    cr_expect_str_eq(sent(r), "m1");
    close_rig(r);
}

Test(outbox, after_names_the_newest_older_unanswered_of_the_conversation)
{
    struct rig *r = open_rig(16);
    up(r);
    struct sp_msgid a1 = submit(r, "ann", "1");
    (void)submit(r, "bob", "2");
    (void)submit(r, "ann", "3");
    (void)submit(r, "ann", "4");
    cr_expect_str_eq(sent(r), "m1 m2 m3(1) m4(3)");
    sp_outbox_session_lost(&r->box, r->now);
    (void)answer(r, a1, SP_CODE_OK, 1,
                 0); /* cannot come now, but must not harm: msg:A counts in QUEUED too */
    up(r);
    cr_expect_str_eq(told(r), "1:s1");
    sp_outbox_session_lost(&r->box, r->now);
    up(r);
    cr_expect_str_eq(sent(r), "s1 m2 m3 m4(3)", "order of msgids; AFTER is set afresh at each sending");
    close_rig(r);
}

Test(outbox, session_lost_goes_again_in_msgid_order)
{
    struct rig *r = open_rig(64);
    struct sp_msgid ids[6];
    up(r);
    for (int i = 0; i < 6; i++)
        ids[i] = submit(r, "bob", "x");
    cr_expect_str_eq(sent(r), "m1 m2(1) m3(2) m4(3) m5(4) m6(5)");
    (void)answer(r, ids[2], SP_CODE_OK, 1, 0);
    sp_outbox_session_lost(&r->box, r->now);
    (void)submit(r, "bob", "x");
    cr_expect_str_eq(sent(r), "");
    up(r);
    cr_expect_str_eq(sent(r), "s3 m1 m2(1) m4(2) m5(4) m6(5) m7(6)");
    close_rig(r);
}

Test(outbox, definite_error_is_final)
{
    static const struct {
        uint8_t code;
        const char *told;
    } t[] = {{SP_CODE_TOO_BIG, "1:f2"},       {SP_CODE_FORBIDDEN, "1:f3"},  {SP_CODE_NO_USER, "1:f4"},
             {SP_CODE_QUOTA, "1:f5"},         {SP_CODE_DUP_EXPIRED, "1:u"}, {SP_CODE_ID_REUSED, "1:f7"},
             {SP_CODE_SEQ_EXHAUSTED, "1:f8"}, {SP_CODE_BAD, "1:f9"},        {SP_CODE_FULL, "1:f12"}};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct rig *r = open_rig(16);
        up(r);
        struct sp_msgid id = submit(r, "bob", "x");
        cr_assert_str_eq(sent(r), "m1");
        cr_expect(answer(r, id, t[i].code, 0, 0));
        sp_outbox_session_lost(&r->box, r->now);
        up(r);
        cr_expect_str_eq(sent(r), "", "never again");
        /* A crash before the app was told: it is told after the restart, and still nothing is sent. */
        cr_assert_eq(sp_ledger_sync(&r->ledger, r->now), 0);
        fakelocal_crash(&r->local);
        cr_assert_eq(start(r), 0);
        up(r);
        cr_expect_str_eq(sent(r), "");
        cr_expect_str_eq(told(r), t[i].told);
        cr_expect_str_eq(sent(r), "d1");
        close_rig(r);
    }
}

Test(outbox, the_end_is_told_only_when_it_is_durable)
{
    struct rig *r = open_rig(16);
    up(r);
    struct sp_msgid id = submit(r, "bob", "x");
    cr_assert_str_eq(sent(r), "m1");
    r->local.is_broken = true;
    (void)answer(r, id, SP_CODE_QUOTA, 0, 0);
    cr_expect_str_eq(told(r), "");
    r->local.is_broken = false;
    r->now += SP_SECOND;
    cr_expect_str_eq(told(r), "1:f5");
    cr_expect_eq(fakelocal_find(r->local.disk, id)->m.state, SP_OUTBOX_MARK_FAILED + SP_CODE_QUOTA);
    close_rig(r);
}

Test(outbox, busy_waits_and_holds_back_its_conversation)
{
    struct rig *r = open_rig(16);
    up(r);
    struct sp_msgid id = submit(r, "bob", "1");
    cr_assert_str_eq(sent(r), "m1");
    cr_expect(answer(r, id, SP_CODE_BUSY, 0, 20), "2 s");
    (void)submit(r, "bob", "2");
    (void)submit(r, "ann", "3");
    cr_expect_str_eq(sent(r), "m3", "other conversations never wait");
    sp_time due = sp_outbox_deadline(&r->box);
    cr_expect_geq(due, r->now + 2 * SP_SECOND);
    cr_expect_leq(due, r->now + 4 * SP_SECOND);
    r->now = due - 1;
    cr_expect_str_eq(sent(r), "");
    r->now = due;
    cr_expect_str_eq(sent(r), "m1 m2(1)");
    cr_expect(answer(r, id, SP_CODE_BUSY, 0, 0), "0 means 1 s");
    due = sp_outbox_deadline(&r->box);
    cr_expect_geq(due, r->now + SP_SECOND);
    cr_expect_leq(due, r->now + 2 * SP_SECOND);
    close_rig(r);
}

Test(outbox, t1_asks_and_state_0_sends_again)
{
    struct rig *r = open_rig(16);
    up(r);
    struct sp_msgid id = submit(r, "bob", "1");
    cr_assert_str_eq(sent(r), "m1");
    r->now += 100 * SP_SECOND;
    cr_expect_str_eq(sent(r), "", "the link has not delivered it: it will");
    sp_outbox_link_acked(&r->box, id, PTO3, r->now);
    sp_time due = sp_outbox_deadline(&r->box);
    cr_expect_geq(due, r->now + 800 * SP_MS);
    cr_expect_leq(due, r->now + 1200 * SP_MS);
    r->now = due;
    cr_expect_str_eq(sent(r), "s1");
    cr_expect_str_eq(sent(r), "");
    status(r, 0);
    cr_expect_str_eq(sent(r), "m1", "the same msgid");
    sp_outbox_link_acked(&r->box, id, PTO3, r->now);
    due = sp_outbox_deadline(&r->box);
    cr_expect_geq(due, r->now + 1600 * SP_MS, "doubled");
    r->now = due;
    cr_expect_str_eq(sent(r), "s1");
    status(r, 1);
    cr_expect_str_eq(told(r), "1:s1");
    cr_expect_str_eq(sent(r), "");
    close_rig(r);
}

Test(outbox, a_question_without_answer_is_asked_again)
{
    struct rig *r = open_rig(16);
    up(r);
    struct sp_msgid id = submit(r, "bob", "1");
    cr_assert_str_eq(sent(r), "m1");
    sp_outbox_link_acked(&r->box, id, PTO3, r->now);
    r->now += 2 * SP_SECOND;
    cr_expect_str_eq(sent(r), "s1");
    uint16_t asked = ask_id(r);
    r->now += 15 * SP_SECOND;
    cr_expect_str_eq(sent(r), "s1");
    cr_expect_eq(ask_id(r), asked, "the same question");
    status(r, 2);
    struct sp_frame_status_a late = {.id = asked, .n = 1, .of = {{.state = 0}}};
    sp_outbox_status_a(&r->box, &late, r->now);
    cr_expect_str_eq(told(r), "1:s2", "the second answer says nothing");
    close_rig(r);
}

Test(outbox, four_reports)
{
    struct rig *r = open_rig(16);
    struct sp_msgid id;
    struct sp_outgoing m = {
        .to = {(const uint8_t *)"bob", 3}, .body = {(const uint8_t *)"x", 1}, .flags = SP_OUT_FOUR};
    struct sp_frame f;
    uint64_t ref;
    up(r);
    cr_assert_eq(sp_outbox_submit(&r->box, &m, &id, r->now), 0);
    cr_assert(sp_outbox_step(&r->box, r->now));
    cr_assert_eq(sp_ledger_sync(&r->ledger, r->now), 0);
    cr_assert_eq(sp_outbox_frame(&r->box, &f, &ref, r->now), 0);
    cr_expect_eq(f.u.msg_r.flags, SP_MSG_FOUR);
    sp_outbox_note_sent(&r->box, &f, PTO3, r->now);
    sp_outbox_link_acked(&r->box, id, PTO3, r->now);
    cr_expect_geq(sp_outbox_deadline(&r->box), r->now + 2400 * SP_MS, "ruling 9: 3 s");
    struct sp_frame_ack_n n = {.msgid = id, .state = 1};
    cr_expect(sp_outbox_ack_n(&r->box, &n, r->now), "ack:N is the answer");
    cr_expect_str_eq(told(r), "1:s1");
    close_rig(r);
}

Test(outbox, ttl_travels)
{
    struct rig *r = open_rig(16);
    struct sp_msgid id;
    struct sp_outgoing m = {.to = {(const uint8_t *)"bob", 3}, .body = {NULL, 0}, .expires_s = 77};
    struct sp_frame f;
    uint64_t ref;
    up(r);
    cr_assert_eq(sp_outbox_submit(&r->box, &m, &id, r->now), 0, "an empty body is a body");
    cr_assert(sp_outbox_step(&r->box, r->now));
    cr_assert_eq(sp_ledger_sync(&r->ledger, r->now), 0);
    cr_assert_eq(sp_outbox_frame(&r->box, &f, &ref, r->now), 0);
    cr_expect_eq(f.u.msg_r.flags, SP_MSG_TTL);
    cr_expect_eq(f.u.msg_r.ttl_s, 77);
    cr_expect_eq(f.u.msg_r.body.n, 0);
    close_rig(r);
}

Test(outbox, t2_asks_about_safe_messages_ever_more_rarely)
{
    struct rig *r = open_rig(16);
    up(r);
    struct sp_msgid id = submit(r, "bob", "1");
    cr_assert_str_eq(sent(r), "m1");
    (void)answer(r, id, SP_CODE_OK, 2, 0);
    static const int waits_s[] = {60, 120, 240, 480, 960, 1920, 3600, 3600, 3600};
    for (size_t i = 0; i < sizeof waits_s / sizeof waits_s[0]; i++) {
        sp_time since = r->now, wait = waits_s[i] * SP_SECOND;
        do /* other timers come in between */
            r->now = sp_outbox_deadline(&r->box);
        while (strcmp(sent(r), "s1") != 0);
        cr_expect_geq(r->now - since, wait * 8 / 10, "wait %zu", i);
        cr_expect_leq(r->now - since, wait * 12 / 10, "wait %zu", i);
        status(r, 2);
    }
    close_rig(r);
}

Test(outbox, a_new_session_asks_about_all_that_is_safe)
{
    struct rig *r = open_rig(256);
    struct sp_msgid ids[100];
    up(r);
    for (int i = 0; i < 100; i++)
        ids[i] = submit(r, "bob", "1");
    (void)sent(r);
    for (int i = 0; i < 64; i++)
        (void)answer(r, ids[i], SP_CODE_OK, 2, 0);
    (void)sent(r);
    for (int i = 64; i < 100; i++)
        (void)answer(r, ids[i], SP_CODE_OK, 2, 0);
    sp_outbox_session_lost(&r->box, r->now);
    up(r);
    const char *text = sent(r);
    size_t questions = 0, commas = 0;
    for (const char *c = text; *c != '\0'; c++) {
        questions += *c == 's' ? 1 : 0;
        commas += *c == ',' ? 1 : 0;
    }
    cr_expect_eq(questions, 4, "at most so many at once: %s", text);
    cr_expect_eq(questions + commas, 100);
    close_rig(r);
}

Test(outbox, safe_but_forgotten_is_unknown)
{
    struct rig *r = open_rig(16);
    up(r);
    struct sp_msgid id = submit(r, "bob", "1");
    cr_assert_str_eq(sent(r), "m1");
    (void)answer(r, id, SP_CODE_OK, 1, 0);
    cr_expect_str_eq(told(r), "1:s1");
    r->now += 100 * SP_SECOND;
    cr_assert_str_eq(sent(r), "s1");
    status(r, 0);
    cr_expect_str_eq(told(r), "", "once may be an accident");
    r->now += 200 * SP_SECOND;
    cr_assert_str_eq(sent(r), "s1");
    status(r, 0);
    cr_expect_str_eq(told(r), "1:u");
    close_rig(r);
}

Test(outbox, receipts_never_go_down)
{
    struct rig *r = open_rig(16);
    up(r);
    struct sp_msgid id = submit(r, "bob", "1");
    cr_assert_str_eq(sent(r), "m1");
    notice(r, id, 2);
    notice(r, id, 1);
    (void)answer(r, id, SP_CODE_OK, 1, 0);
    (void)answer(r, id, SP_CODE_QUOTA, 0, 0);
    cr_expect_str_eq(told(r), "1:s2", "an error after OK is a lie of an old copy");
    notice(r, id, 3);
    notice(r, id, 9);
    notice(r, id, 2);
    cr_expect_str_eq(told(r), "1:s3");
    notice(r, id, 4);
    cr_expect_str_eq(told(r), "1:s4", "READ of a message that is gone goes to the app (ruling 11)");
    notice(r, id, 3);
    cr_expect_str_eq(told(r), "");
    close_rig(r);
}

Test(outbox, expired_and_back_end_states_are_final)
{
    static const uint8_t states[] = {9, 10, 11, 12};
    for (size_t i = 0; i < sizeof states; i++) {
        struct rig *r = open_rig(16);
        char want[16];
        up(r);
        struct sp_msgid id = submit(r, "bob", "1");
        cr_assert_str_eq(sent(r), "m1");
        notice(r, id, states[i]);
        (void)snprintf(want, sizeof want, "1:s%u", states[i]);
        cr_expect_str_eq(told(r), want);
        cr_expect_eq(sp_outbox_count(&r->box), 0);
        close_rig(r);
    }
}

Test(outbox, limits_in_flight)
{
    struct rig *r = open_rig(1024);
    char to[8];
    struct sp_msgid first = {0};
    up(r);
    for (int i = 0; i < 100; i++) {
        struct sp_msgid id = submit(r, "bob", "x");
        first = i == 0 ? id : first;
    }
    (void)sent(r);
    cr_expect_eq(r->box.flight, 64, "per conversation");
    for (int c = 0; c < 10; c++)
        for (int i = 0; i < 40; i++) {
            (void)snprintf(to, sizeof to, "c%d", c);
            (void)submit(r, to, "x");
        }
    (void)sent(r);
    cr_expect_eq(r->box.flight, 256, "in all");
    cr_expect_str_eq(sent(r), "");
    (void)answer(r, first, SP_CODE_OK, 1, 0);
    (void)sent(r);
    cr_expect_eq(r->box.flight, 256, "an answer makes room");
    sp_outbox_session_lost(&r->box, r->now);
    up(r);
    sp_outbox_set_window(&r->box, 10);
    (void)sent(r);
    cr_expect_eq(r->box.flight, 10, "the gateway's own limit");
    close_rig(r);
}

Test(outbox, done_follows_the_oldest_entry_left)
{
    struct rig *r = open_rig(16);
    struct sp_msgid ids[4];
    up(r);
    for (int i = 0; i < 4; i++)
        ids[i] = submit(r, "bob", "x");
    (void)sent(r);
    (void)answer(r, ids[1], SP_CODE_OK, 3, 0);
    (void)answer(r, ids[3], SP_CODE_QUOTA, 0, 0);
    (void)told(r);
    cr_expect_str_eq(sent(r), "", "1 is left");
    (void)answer(r, ids[0], SP_CODE_OK, 3, 0);
    cr_expect_str_eq(sent(r), "", "1 is done, but the app does not know yet");
    (void)told(r);
    cr_expect_str_eq(sent(r), "d2");
    (void)answer(r, ids[2], SP_CODE_OK, 3, 0);
    (void)told(r);
    cr_expect_str_eq(sent(r), "", "at most one a second");
    r->now = sp_outbox_deadline(&r->box);
    cr_expect_str_eq(sent(r), "d4");
    cr_expect_str_eq(sent(r), "");
    close_rig(r);
}

Test(outbox, done_waits_until_the_rows_are_gone_for_good)
{
    struct rig *r = open_rig(16);
    struct sp_frame f;
    uint64_t ref;
    up(r);
    struct sp_msgid id = submit(r, "bob", "x");
    (void)sent(r);
    (void)answer(r, id, SP_CODE_OK, 3, 0);
    (void)told(r);
    cr_expect(sp_outbox_step(&r->box, r->now));
    cr_expect_eq(sp_outbox_frame(&r->box, &f, &ref, r->now), SP_EAGAIN,
                 "a row that comes back after a crash must find its dedup row");
    cr_assert_eq(sp_ledger_sync(&r->ledger, r->now), 0);
    cr_expect_eq(sp_outbox_frame(&r->box, &f, &ref, r->now), 0);
    cr_expect_eq(f.kind, SP_KIND_DONE);
    close_rig(r);
}

Test(outbox, six_days_without_answer_is_unknown)
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

Test(outbox, six_days_count_over_a_restart)
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

Test(outbox, restart_resumes)
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

Test(outbox, msgids_rise_over_an_empty_store)
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

Test(outbox, bad_rows_are_refused)
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

Test(outbox, more_rows_than_places)
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

Test(outbox, arguments_are_checked)
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

Test(outbox, forget_lets_go_of_safe_messages_only)
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

Test(outbox, the_app_asks)
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
Test(outbox, random_steps_lose_nothing)
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
