/* Messages for us: order, holes, pulls, confirms (docs/protocol.md, section 5.4), against a mailbox played by
 * the test. */
#include "inbox_rig.h"

Test(inbox, first_pull_binds_and_live_messages_follow)
{
    struct rig *r = open_rig(256, EPOCH, 100);
    cr_expect_str_eq(sent(r), "");
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "P100/256");
    cr_expect_str_eq(sent(r), "", "one outstanding");
    answer(r, 102, 102);
    message(r, 101);
    message(r, 102);
    cr_expect_str_eq(told(r), "101 102");
    message(r, 103);
    cr_expect_str_eq(told(r), "103");
    cr_expect_str_eq(sent(r), "", "nothing is kept yet");
    cr_expect_eq(sp_inbox_keep(&r->in, 103, r->now), 0);
    cr_expect_str_eq(sent(r), "", "gathered");
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "A103");
    cr_expect_eq(r->local.disk->state.cursor.v, 103, "durable before it travels");
    acked(r, SP_CODE_OK, 103);
    cr_expect(sp_inbox_is_settled(&r->in));
    cr_expect_eq(sp_inbox_deadline(&r->in), SP_NEVER);
    close_rig(r);
}

Test(inbox, duplicates_are_removed_and_counted)
{
    struct rig *r = open_rig(256, EPOCH, 0);
    bind_session(r);
    message(r, 1);
    message(r, 1);
    message(r, 3);
    message(r, 3);
    cr_expect_str_eq(told(r), "1");
    message(r, 1);
    cr_expect_str_eq(told(r), "");
    cr_expect_eq(r->in.duplicates, 3);
    close_rig(r);
}

Test(inbox, a_hole_is_pulled_after_a_while_naming_what_is_held)
{
    struct rig *r = open_rig(256, EPOCH, 10);
    bind_session(r);
    message(r, 11);
    message(r, 13);
    message(r, 14);
    message(r, 20);
    cr_expect_str_eq(told(r), "11");
    cr_expect_str_eq(sent(r), "");
    cr_expect_eq(sp_inbox_deadline(&r->in), r->now + 2 * PTO);
    r->now += 2 * PTO - 1;
    cr_expect_str_eq(sent(r), "");
    r->now++;
    cr_expect_str_eq(sent(r), "P10/257+11-11+13-14+20-20");
    answer(r, 20, 20);
    message(r, 12);
    cr_expect_str_eq(told(r), "12 13 14");
    r->now += 2 * PTO;
    cr_expect_str_eq(sent(r), "P10/260+11-14+20-20", "the next hole has its own time");
    close_rig(r);
}

Test(inbox, hole_time_is_clamped)
{
    static const struct {
        sp_time pto, wait;
    } t[] = {{1 * SP_MS, 50 * SP_MS}, {100 * SP_MS, 200 * SP_MS}, {5 * SP_SECOND, 700 * SP_MS}};
    for (size_t i = 0; i < 3; i++) {
        struct rig *r = open_rig(16, EPOCH, 0);
        bind_session(r);
        (void)sp_inbox_step(&r->in, t[i].pto, r->now);
        message(r, 2);
        cr_expect_eq(sp_inbox_deadline(&r->in), r->now + t[i].wait);
        close_rig(r);
    }
}

Test(inbox, a_hole_that_stays_is_pulled_ever_more_rarely)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    sp_time last = 0;
    bind_session(r);
    message(r, 2);
    for (int i = 0; i < 12; i++) {
        sp_time due = sp_inbox_deadline(&r->in);
        cr_assert_gt(due, r->now);
        cr_assert_leq(due - r->now, 30 * SP_SECOND);
        cr_assert_geq(due - r->now, last);
        last = due - r->now;
        r->now = due;
        cr_assert_str_eq(sent(r), "P0/16+2-2");
        answer(r, 2, 2);
    }
    cr_expect_eq(last, 30 * SP_SECOND);
    close_rig(r);
}

Test(inbox, lost_answer_same_pull_again)
{
    struct rig *r = open_rig(16, EPOCH, 5);
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "P5/16");
    uint16_t id = r->pull.id;
    sp_time due = sp_inbox_deadline(&r->in);
    cr_expect_geq(due, r->now + 1600 * SP_MS);
    cr_expect_leq(due, r->now + 2400 * SP_MS);
    r->now = due;
    cr_expect_str_eq(sent(r), "P5/16");
    cr_expect_eq(r->pull.id, id);
    due = sp_inbox_deadline(&r->in);
    cr_expect_geq(due, r->now + 3200 * SP_MS);
    answer_with(r, SP_CODE_BUSY, 0, 0, 0);
    cr_expect_eq(sp_inbox_deadline(&r->in), due, "BUSY changes nothing");
    close_rig(r);
}

Test(inbox, pulls_again_until_the_head)
{
    struct rig *r = open_rig(100, EPOCH, 100);
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "P100/100");
    answer(r, 150, 260);
    for (uint32_t s = 101; s <= 150; s++)
        message(r, s);
    cr_expect_str_eq(sent(r), "P100/100+101-150", "at once, although the app has kept nothing");
    (void)told(r);
    cr_expect_eq(sp_inbox_keep(&r->in, 150, r->now), 0);
    answer(r, 200, 260);
    for (uint32_t s = 151; s <= 200; s++)
        message(r, s);
    cr_expect_str_eq(sent(r), "P150/100+151-200");
    close_rig(r);
}

Test(inbox, tip_pulls)
{
    struct rig *r = open_rig(16, EPOCH, 5);
    struct sp_frame_tip f = {.svr_seq = {5}};
    bind_session(r);
    sp_inbox_tip(&r->in, &f);
    cr_expect_str_eq(sent(r), "", "nothing new");
    f.svr_seq.v = 8;
    sp_inbox_tip(&r->in, &f);
    cr_expect_str_eq(sent(r), "P5/16");
    close_rig(r);
}

Test(inbox, device_switch_skips_what_is_confirmed_elsewhere)
{
    /* Story 3: 150 confirmed, head 200, this device comes with 120. */
    struct rig *r = open_rig(256, EPOCH, 120);
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "P120/256");
    struct sp_frame_pull_a f = {.id = r->pull.id,
                                .epoch = {EPOCH},
                                .to = {200},
                                .svr_seq = {200},
                                .confirmed = {150},
                                .n = 1,
                                .skipped = {{121, 150, SP_WHY_CONFIRMED}}};
    message(r, 151); /* datagrams overtake each other */
    sp_inbox_pull_a(&r->in, &f, r->now);
    for (uint32_t s = 152; s <= 200; s++)
        message(r, s);
    const char *text = told(r);
    cr_expect_eq(strncmp(text, "121-150!1 151 152 ", 18), 0, "%s", text);
    cr_expect_eq(sp_inbox_keep(&r->in, 200, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "A200");
    close_rig(r);
}

Test(inbox, a_wide_skip_does_not_shut_the_window)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    sp_inbox_session_up(&r->in, r->now);
    (void)sent(r);
    struct sp_frame_pull_a f = {.id = r->pull.id,
                                .epoch = {EPOCH},
                                .to = {1000010},
                                .svr_seq = {1000010},
                                .n = 1,
                                .skipped = {{1, 1000000, SP_WHY_EXPIRED}}};
    sp_inbox_pull_a(&r->in, &f, r->now);
    for (uint32_t s = 1000001; s <= 1000010; s++)
        message(r, s);
    cr_expect_eq(strncmp(told(r), "1-1000000!2 1000001 ", 20), 0);
    cr_expect_eq(r->in.overflows, 0);
    close_rig(r);
}

Test(inbox, never_overflows_and_pulls_again_what_it_dropped)
{
    struct rig *r = open_rig(8, EPOCH, 0);
    bind_session(r);
    for (uint32_t s = 2; s <= 20; s++)
        message(r, s);
    cr_expect_eq(sp_inbox_held(&r->in), 7);
    cr_expect_eq(r->in.overflows, 12);
    message(r, 1);
    cr_expect_str_eq(sent(r), "", "no room before the app has taken something");
    r->now += 10 * SP_SECOND;
    cr_expect_str_eq(sent(r), "");
    cr_expect_eq(sp_inbox_deadline(&r->in), SP_NEVER, "nobody spins");
    cr_expect_str_eq(told(r), "1 2 3 4 5 6 7 8");
    cr_expect_str_eq(sent(r), "P0/16+1-8");
    answer(r, 16, 20);
    for (uint32_t s = 9; s <= 16; s++)
        message(r, s);
    cr_expect_str_eq(told(r), "9 10 11 12 13 14 15 16");
    cr_expect_eq(sp_inbox_keep(&r->in, 16, r->now), 0);
    r->now += SP_SECOND;
    cr_expect_str_eq(sent(r), "P16/8", "the pull carries the cursor, so no ack:R");
    close_rig(r);
}

Test(inbox, an_app_that_keeps_nothing_stops_the_pulls)
{
    struct rig *r = open_rig(256, EPOCH, 0);
    bind_session(r);
    struct sp_frame_tip tip = {.svr_seq = {5000}};
    sp_inbox_tip(&r->in, &tip);
    uint32_t next = 1;
    for (int i = 0; i < 20 && strlen(sent(r)) > 0; i++) {
        uint32_t to = r->pull.cursor.v + r->pull.max;
        answer(r, to, 5000);
        while (next <= to)
            message(r, next++);
        (void)told(r);
    }
    cr_expect_eq(next, 501, "the gateway counts 500 from the cursor");
    cr_expect_eq(sp_inbox_keep(&r->in, 400, r->now), 0);
    cr_expect_str_eq(sent(r), "P400/356+401-500");
    close_rig(r);
}

Test(inbox, epoch_0_asks_and_adopts)
{
    struct rig *r = open_rig(16, 0, 0);
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "P0/16");
    cr_expect_eq(r->pull.epoch.v, 0);
    struct sp_frame_resync f = {
        .why = SP_RESYNC_EPOCH, .id = r->pull.id, .epoch = {EPOCH}, .lo = {40}, .hi = {45}};
    sp_inbox_resync(&r->in, &f, r->now);
    cr_expect_str_eq(told(r), "", "no news for the app");
    cr_expect_str_eq(sent(r), "P40/16");
    cr_expect_eq(r->pull.epoch.v, EPOCH);
    cr_expect_eq(r->local.disk->state.epoch.v, EPOCH);
    cr_expect_eq(r->local.disk->state.cursor.v, 40);
    cr_expect_not(r->in.is_bound);
    answer(r, 45, 45);
    cr_expect(r->in.is_bound);
    message(r, 41);
    cr_expect_str_eq(told(r), "41");
    close_rig(r);
}

Test(inbox, resync_is_adopted_when_the_app_was_told)
{
    struct rig *r = open_rig(16, EPOCH, 10);
    bind_session(r);
    message(r, 11);
    cr_expect_str_eq(told(r), "11");
    message(r, 12);
    message(r, 14);
    struct sp_frame_resync f = {.why = SP_RESYNC_EPOCH, .id = 0, .epoch = {EPOCH + 1}, .lo = {3}, .hi = {7}};
    sp_inbox_resync(&r->in, &f, r->now);
    message(r, 4);
    cr_expect_str_eq(sent(r), "", "what belongs to which epoch must be clear first");
    cr_expect_eq(sp_inbox_keep(&r->in, 11, r->now), 0, "a seq of the old epoch");
    cr_expect_eq(r->local.now->state.epoch.v, EPOCH);
    cr_expect_str_eq(told(r), "R3", "the rest of the old epoch is gone");
    cr_expect_str_eq(sent(r), "P3/16");
    cr_expect_eq(r->pull.epoch.v, EPOCH + 1);
    cr_expect_eq(r->local.disk->state.epoch.v, EPOCH + 1);
    cr_expect_eq(r->local.disk->state.cursor.v, 3);
    answer(r, 7, 7);
    cr_expect(r->in.is_bound);
    f.id = 9999;
    sp_inbox_resync(&r->in, &f, r->now);
    cr_expect_str_eq(told(r), "", "the answer to an older copy of the pull is no other RESYNC");
    cr_expect_str_eq(sent(r), "P3/16", "but it has unbound the session (ruling 5)");
    close_rig(r);
}

Test(inbox, cursor_above_the_mailbox_is_resynced)
{
    struct rig *r = open_rig(16, EPOCH, 10);
    sp_inbox_session_up(&r->in, r->now);
    (void)sent(r);
    struct sp_frame_resync f = {
        .why = SP_RESYNC_CURSOR, .id = r->pull.id, .epoch = {EPOCH}, .lo = {3}, .hi = {3}};
    sp_inbox_resync(&r->in, &f, r->now);
    cr_expect_str_eq(told(r), "R3");
    cr_expect_str_eq(sent(r), "P3/16");
    struct sp_frame_resync stale = {
        .why = SP_RESYNC_CURSOR, .id = 9999, .epoch = {EPOCH}, .lo = {1}, .hi = {3}};
    sp_inbox_resync(&r->in, &stale, r->now);
    cr_expect_str_eq(told(r), "");
    close_rig(r);
}

Test(inbox, ack_is_repeated_until_answered)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    message(r, 1);
    (void)told(r);
    cr_assert_eq(sp_inbox_keep(&r->in, 1, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "A1");
    sp_time due = sp_inbox_deadline(&r->in);
    cr_expect_geq(due, r->now + 4 * SP_SECOND);
    cr_expect_leq(due, r->now + 6 * SP_SECOND);
    r->now = due;
    cr_expect_str_eq(sent(r), "A1");
    due = sp_inbox_deadline(&r->in);
    cr_expect_geq(due, r->now + 8 * SP_SECOND);
    message(r, 2);
    message(r, 4);
    (void)told(r);
    cr_assert_eq(sp_inbox_keep(&r->in, 2, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "A2+4-4", "the newest takes its place");
    cr_expect_not(sp_inbox_is_settled(&r->in));
    acked(r, SP_CODE_OK, 2);
    cr_expect(sp_inbox_is_settled(&r->in));
    close_rig(r);
}

Test(inbox, four_reports_want_no_answer)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    message_with(r, 1, SP_MSG_FOUR);
    message_with(r, 2, SP_MSG_FOUR);
    (void)told(r);
    cr_assert_eq(sp_inbox_keep(&r->in, 2, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "a2");
    cr_expect_eq(sp_inbox_deadline(&r->in), SP_NEVER);
    cr_expect_not(sp_inbox_is_settled(&r->in));
    sp_inbox_link_acked(&r->in, 2);
    cr_expect(sp_inbox_is_settled(&r->in));
    message(r, 3);
    message_with(r, 4, SP_MSG_FOUR);
    (void)told(r);
    cr_assert_eq(sp_inbox_keep(&r->in, 4, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "A4", "one of them wants it");
    acked(r, SP_CODE_OK, 4);
    message_with(r, 5, SP_MSG_FOUR);
    (void)told(r);
    cr_assert_eq(sp_inbox_keep(&r->in, 5, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "a5");
    close_rig(r);
}

Test(inbox, a_busy_gateway_is_told_again_and_answers)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    message_with(r, 1, SP_MSG_FOUR);
    (void)told(r);
    cr_assert_eq(sp_inbox_keep(&r->in, 1, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "a1");
    sp_inbox_link_acked(&r->in, 1);
    acked(r, SP_CODE_BUSY, 0);
    cr_expect_not(sp_inbox_is_settled(&r->in));
    cr_expect_str_eq(sent(r), "");
    cr_expect_geq(sp_inbox_deadline(&r->in), r->now + 4 * SP_SECOND);
    for (int i = 0; i < 3; i++) {
        r->now = sp_inbox_deadline(&r->in);
        cr_expect_str_eq(sent(r), "A1", "until it is noted");
        acked(r, SP_CODE_BUSY, 0);
    }
    acked(r, SP_CODE_OK, 1);
    cr_expect(sp_inbox_is_settled(&r->in));
    cr_expect_eq(sp_inbox_deadline(&r->in), SP_NEVER);
    acked(r, SP_CODE_BUSY, 0);
    cr_expect_eq(sp_inbox_deadline(&r->in), SP_NEVER, "late, and no matter any more");
    close_rig(r);
}

Test(inbox, ack_too_high_starts_from_the_confirmed_cursor)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    for (uint32_t s = 1; s <= 5; s++)
        message(r, s);
    (void)told(r);
    cr_assert_eq(sp_inbox_keep(&r->in, 5, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "A5");
    acked(r, SP_CODE_ACK_TOO_HIGH, 2);
    cr_expect_str_eq(sent(r), "p2/500");
    answer_with(r, SP_CODE_OK, 4, 5, 2);
    message(r, 3);
    message(r, 4);
    cr_expect_str_eq(sent(r), "p4/500");
    answer_with(r, SP_CODE_OK, 5, 5, 2);
    message(r, 5);
    cr_expect_eq(r->in.duplicates, 3);
    cr_expect_str_eq(sent(r), "A5", "now it was sent in this session");
    acked(r, SP_CODE_ACK_TOO_HIGH, 2);
    cr_expect_str_eq(sent(r), "", "a gateway that insists is asked with back-off");
    cr_expect_gt(sp_inbox_deadline(&r->in), r->now + SP_SECOND);
    close_rig(r);
}

/* What was held since an earlier session and kept in this one, and is more than the gateway sends at once. */
Test(inbox, a_refused_cursor_waits_until_all_was_sent_again)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    for (uint32_t s = 1; s <= 9; s++)
        message(r, s);
    (void)told(r);
    sp_inbox_session_lost(&r->in);
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "P0/25+1-9");
    answer_with(r, SP_CODE_OK, 9, 9, 0);
    cr_assert_eq(sp_inbox_keep(&r->in, 9, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "A9");
    acked(r, SP_CODE_ACK_TOO_HIGH, 0);
    cr_expect_str_eq(sent(r), "p0/500");
    answer_with(r, SP_CODE_OK, 9, 9, 0);
    cr_expect_str_eq(sent(r), "", "a pull would end the one under way");
    for (uint32_t s = 1; s <= 4; s++)
        message(r, s);
    cr_expect_str_eq(sent(r), "");
    r->now = sp_inbox_deadline(&r->in);
    cr_expect_str_eq(sent(r), "p4/500", "the rest does not come");
    answer_with(r, SP_CODE_OK, 7, 9, 0);
    for (uint32_t s = 5; s <= 7; s++)
        message(r, s);
    cr_expect_str_eq(sent(r), "p7/500");
    message(r, 8);
    answer_with(r, SP_CODE_OK, 9, 9, 0);
    cr_expect_str_eq(sent(r), "");
    message(r, 9);
    cr_expect_str_eq(sent(r), "A9");
    acked(r, SP_CODE_OK, 9);
    cr_expect(sp_inbox_is_settled(&r->in));
    close_rig(r);
}

/* The gateway does not even take the cursor that we went on from: from its own, then. */
Test(inbox, a_cursor_refused_twice_starts_from_the_confirmed_one)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    for (uint32_t s = 1; s <= 9; s++)
        message(r, s);
    (void)told(r);
    sp_inbox_session_lost(&r->in);
    sp_inbox_session_up(&r->in, r->now);
    (void)sent(r);
    answer_with(r, SP_CODE_OK, 9, 9, 0);
    message(r, 5);
    cr_assert_eq(sp_inbox_keep(&r->in, 9, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "A9");
    acked(r, SP_CODE_ACK_TOO_HIGH, 2);
    cr_expect_str_eq(sent(r), "p5/500");
    answer_with(r, SP_CODE_ACK_TOO_HIGH, 2, 9, 2);
    r->now = sp_inbox_deadline(&r->in);
    cr_expect_str_eq(sent(r), "p2/500");
    close_rig(r);
}

Test(inbox, not_bound_pulls_again)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    message(r, 1);
    (void)told(r);
    cr_assert_eq(sp_inbox_keep(&r->in, 1, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "A1");
    acked(r, SP_CODE_NOT_BOUND, 0);
    cr_expect_str_eq(sent(r), "P1/16");
    close_rig(r);
}

Test(inbox, forbidden_ends_the_pulling_of_this_session)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    sp_inbox_session_up(&r->in, r->now);
    (void)sent(r);
    answer_with(r, SP_CODE_FORBIDDEN, 0, 0, 0);
    cr_expect(sp_inbox_take_refusal(&r->in));
    cr_expect_not(sp_inbox_take_refusal(&r->in));
    r->now += 100 * SP_SECOND;
    cr_expect_str_eq(sent(r), "");
    close_rig(r);
}

Test(inbox, fragments_are_left_alone)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    struct sp_frame_msg_n f = {.flags = SP_MSG_FRAG, .seq = {1}, .msgid = {9}, .index = 0, .count = 2};
    sp_inbox_msg_n(&r->in, &f, r->now);
    message(r, 2);
    cr_expect_str_eq(told(r), "", "1 is never acknowledged, so 2 must wait");
    cr_expect_eq(r->in.fragments, 1);
    close_rig(r);
}

Test(inbox, keep_is_checked)
{
    struct rig *r = open_rig(16, EPOCH, 10);
    bind_session(r);
    message(r, 11);
    cr_expect_eq(sp_inbox_keep(&r->in, 11, r->now), SP_EINVAL, "not handed up yet");
    (void)told(r);
    cr_expect_eq(sp_inbox_keep(&r->in, 12, r->now), SP_EINVAL);
    cr_expect_eq(sp_inbox_keep(&r->in, 5, r->now), 0, "the past: nothing to do");
    r->local.is_broken = true;
    cr_expect_eq(sp_inbox_keep(&r->in, 11, r->now), SP_EIO);
    r->local.is_broken = false;
    r->now += 2 * SP_SECOND;
    cr_expect_str_eq(sent(r), "", "a failed keep has no effect");
    cr_expect_eq(sp_inbox_keep(&r->in, 11, r->now), 0);
    close_rig(r);
}

Test(inbox, nothing_is_confirmed_before_it_is_durable)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    message(r, 1);
    (void)told(r);
    cr_assert_eq(sp_inbox_keep(&r->in, 1, r->now), 0);
    r->local.is_broken = true;
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "");
    cr_expect_gt(sp_inbox_deadline(&r->in), r->now);
    sp_inbox_session_lost(&r->in);
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "");
    r->local.is_broken = false;
    r->now += SP_SECOND;
    cr_expect_str_eq(sent(r), "P1/16");
    cr_expect_eq(r->local.disk->state.cursor.v, 1);
    close_rig(r);
}

Test(inbox, session_change_keeps_what_is_held)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    message(r, 1);
    message(r, 3);
    sp_inbox_session_lost(&r->in);
    message(r, 2);
    cr_expect_str_eq(told(r), "1", "no session, no message");
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "P0/17+1-1+3-3");
    answer(r, 3, 3);
    message(r, 2);
    cr_expect_str_eq(told(r), "2 3");
    close_rig(r);
}

Test(inbox, a_restart_begins_at_what_was_kept)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    message(r, 1);
    message(r, 2);
    (void)told(r);
    cr_assert_eq(sp_inbox_keep(&r->in, 1, r->now), 0);
    r->now += 20 * SP_MS;
    cr_assert_str_eq(sent(r), "A1+2-2");
    cr_assert_eq(sp_inbox_keep(&r->in, 2, r->now), 0);
    fakelocal_crash(&r->local);
    start(r);
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "P1/16", "2 was kept, but not durable: it comes again");
    close_rig(r);
}

Test(inbox, ends_at_the_last_seq)
{
    struct rig *r = open_rig(16, EPOCH, UINT32_MAX - 2);
    bind_session(r);
    message(r, UINT32_MAX - 1);
    message(r, UINT32_MAX);
    cr_expect_str_eq(told(r), "4294967294 4294967295");
    cr_assert_eq(sp_inbox_keep(&r->in, UINT32_MAX, r->now), 0);
    r->now += 20 * SP_MS;
    cr_expect_str_eq(sent(r), "A4294967295");
    acked(r, SP_CODE_OK, UINT32_MAX);
    cr_expect_str_eq(sent(r), "");
    cr_expect_eq(sp_inbox_deadline(&r->in), SP_NEVER);
    close_rig(r);
}

/* A mailbox of 2,000 messages over frames that are lost, repeated and late, with sessions and processes that
 * end: every message is handed up once per process, in order, and at the end all are confirmed. */
Test(inbox, random_steps_lose_nothing)
{
    enum { LAST = 2000 };
    struct rig *r = open_rig(32, EPOCH, 0);
    uint32_t x = 99, confirmed = 0, handed = 0;
    sp_inbox_session_up(&r->in, r->now);
    for (int step = 0; step < 200000 && confirmed < LAST; step++) {
        x = x * 1664525U + 1013904223U;
        uint32_t what = (x >> 24) % 64;
        struct sp_client_event ev;
        r->now += 5 * SP_MS;
        uint16_t last_pull = r->pull.id;
        (void)sent(r);
        if (r->pull.id != last_pull || (what & 7) == 0) {
            if ((r->pull.flags & SP_PULL_CONFIRMS) != 0 && r->pull.cursor.v > confirmed)
                confirmed = r->pull.cursor.v;
            uint32_t from = r->pull.cursor.v > confirmed ? r->pull.cursor.v : confirmed;
            uint32_t to = from + r->pull.max < LAST ? from + r->pull.max : LAST;
            if (what > 4)
                answer_with(r, SP_CODE_OK, to, LAST, confirmed);
            for (uint32_t s = from + 1; s <= to; s++) {
                x = x * 1664525U + 1013904223U;
                uint32_t other = from + 1 + (x >> 8) % (to - from);
                if ((x >> 28) > 3)
                    message(r, (x >> 26) % 3 == 0 ? other : s);
            }
        }
        if (r->ack.cursor.v > confirmed && what > 20)
            confirmed = r->ack.cursor.v;
        if (what > 30)
            acked(r, SP_CODE_OK, confirmed);
        if (what == 1) {
            sp_inbox_session_lost(&r->in);
            sp_inbox_session_up(&r->in, r->now);
        }
        if (what == 2 && step % 50 == 0) {
            fakelocal_crash(&r->local);
            start(r);
            handed = r->local.now->state.cursor.v;
            cr_assert_geq(handed, confirmed, "what is confirmed was durable");
            sp_inbox_session_up(&r->in, r->now);
        }
        while (what % 3 == 0 && sp_inbox_poll(&r->in, &ev, r->now) == 0) {
            cr_assert_eq(ev.kind, SP_CLIENT_MESSAGE);
            cr_assert_eq(ev.seq.v, handed + 1);
            handed = ev.seq.v;
        }
        if (what % 5 == 0)
            cr_assert_eq(sp_inbox_keep(&r->in, handed, r->now), 0);
    }
    cr_expect_eq(confirmed, LAST);
    close_rig(r);
}
