/* The waiting-ack queue: the table of docs/protocol.md, section 5.2, one row a test. */
#include "outbox_rig.h"

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
