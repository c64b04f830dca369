/* The inbox and frames that come too late, for another question, or more than it has room for. */
#include "inbox_rig.h"

Test(inbox_odd, group_and_empty_body_are_told)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    struct sp_client_event ev;
    bind_session(r);
    struct sp_frame_msg_n f = {.flags = SP_MSG_GROUP,
                               .seq = {1},
                               .msgid = {7},
                               .from = {(const uint8_t *)"ann", 3},
                               .group = {(const uint8_t *)"crew", 4}};
    sp_inbox_msg_n(&r->in, &f, r->now);
    cr_assert_eq(sp_inbox_poll(&r->in, &ev, r->now), 0);
    cr_expect_eq(ev.kind, SP_CLIENT_MESSAGE);
    cr_expect_eq(ev.body.n, 0U);
    cr_assert_eq(ev.group.n, 4U);
    cr_expect_eq(memcmp(ev.group.p, "crew", 4), 0);
    close_rig(r);
}

Test(inbox_odd, nothing_is_taken_before_an_epoch_is_known)
{
    struct rig *r = open_rig(16, 0, 0);
    sp_inbox_session_up(&r->in, r->now);
    cr_assert_neq(strlen(sent(r)), 0);
    message(r, 1);
    cr_expect_eq(sp_inbox_held(&r->in), 0U);
    cr_expect_str_eq(told(r), "");
    close_rig(r);
}

/* Frames of a session that is over change nothing. */
Test(inbox_odd, frames_after_the_session)
{
    struct rig *r = open_rig(16, EPOCH, 5);
    bind_session(r);
    sp_inbox_session_lost(&r->in);
    message(r, 6);
    answer(r, 9, 9);
    acked(r, SP_CODE_OK, 9);
    struct sp_frame_resync resync = {.epoch = {EPOCH + 1}, .lo = {1}, .hi = {2}};
    sp_inbox_resync(&r->in, &resync, r->now);
    struct sp_frame_tip tip = {.svr_seq = {100}};
    sp_inbox_tip(&r->in, &tip);
    cr_expect_str_eq(told(r), "");
    cr_expect_str_eq(sent(r), "");
    cr_expect_eq(sp_inbox_deadline(&r->in), SP_NEVER);
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "P5/16");
    cr_expect_eq(r->pull.epoch.v, (uint64_t)EPOCH);
    close_rig(r);
}

Test(inbox_odd, an_answer_of_another_epoch_binds_nothing)
{
    struct rig *r = open_rig(16, EPOCH, 5);
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "P5/16");
    struct sp_frame_pull_a f = {.id = r->pull.id, .epoch = {EPOCH + 1}, .to = {9}, .svr_seq = {9}};
    sp_inbox_pull_a(&r->in, &f, r->now);
    cr_expect(r->in.pull.is_waiting, "it still waits for its own answer");
    cr_expect_not(r->in.is_bound);
    answer(r, 5, 5);
    cr_expect(r->in.is_bound);
    close_rig(r);
}

/* BUSY and a refusal for another pull change nothing. */
Test(inbox_odd, answers_to_another_pull)
{
    struct rig *r = open_rig(16, EPOCH, 5);
    sp_inbox_session_up(&r->in, r->now);
    cr_expect_str_eq(sent(r), "P5/16");
    answer_with(r, SP_CODE_BUSY, 0, 0, 0);
    cr_expect(r->in.pull.is_waiting);
    r->pull.id++;
    answer_with(r, SP_CODE_ACK_TOO_HIGH, 0, 0, 0);
    cr_expect(r->in.pull.is_waiting);
    cr_expect_not(r->in.is_behind);
    cr_expect_str_eq(sent(r), "");
    close_rig(r);
}

/* A RESYNC that names the epoch we have is the answer to an older pull: we bind again and tell nobody. */
Test(inbox_odd, a_resync_to_our_own_epoch)
{
    struct rig *r = open_rig(16, EPOCH, 5);
    bind_session(r);
    struct sp_frame_resync f = {.why = SP_RESYNC_EPOCH, .epoch = {EPOCH}, .lo = {0}, .hi = {9}};
    sp_inbox_resync(&r->in, &f, r->now);
    cr_expect_str_eq(told(r), "");
    cr_expect_str_eq(sent(r), "P5/16");
    close_rig(r);
}

/* Answers to another ack:R, and codes that mean nothing to us, leave ours waiting. */
Test(inbox_odd, answers_to_another_ack)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    message(r, 1);
    message(r, 2);
    cr_expect_str_eq(told(r), "1 2");
    cr_assert_eq(sp_inbox_keep(&r->in, 1, r->now), 0);
    cr_assert_eq(sp_inbox_keep(&r->in, 2, r->now), 0);
    r->now += SP_SECOND;
    cr_expect_str_eq(sent(r), "A2");
    r->ack.id++;
    acked(r, SP_CODE_ACK_TOO_HIGH, 0);
    acked(r, SP_CODE_NOT_BOUND, 0);
    r->ack.id--;
    acked(r, SP_CODE_BAD, 0);
    cr_expect(r->in.is_bound);
    cr_expect(r->in.ack.is_waiting);
    cr_expect_not(r->in.is_behind);
    cr_expect_not(sp_inbox_is_settled(&r->in));
    acked(r, SP_CODE_OK, 2);
    cr_expect(sp_inbox_is_settled(&r->in));
    close_rig(r);
}

/* The gateway refuses our cursor and then has nothing new at the one that it named: the two do not know each
 * other any more, and binding again finds out who is right. */
Test(inbox_odd, a_refused_cursor_without_progress_binds_again)
{
    struct rig *r = open_rig(16, EPOCH, 0);
    bind_session(r);
    for (uint32_t seq = 1; seq <= 4; seq++)
        message(r, seq);
    cr_expect_str_eq(told(r), "1 2 3 4");
    cr_assert_eq(sp_inbox_keep(&r->in, 4, r->now), 0);
    r->now += SP_SECOND;
    cr_expect_str_eq(sent(r), "A4");
    acked(r, SP_CODE_ACK_TOO_HIGH, 2);
    cr_expect_eq(strncmp(sent(r), "p2/", 3), 0);
    answer_with(r, SP_CODE_OK, 3, 3, 2);
    message(r, 3);
    cr_expect_eq(strncmp(sent(r), "p3/", 3), 0, "some progress, not yet ours");
    answer_with(r, SP_CODE_OK, 3, 3, 2);
    cr_expect_not(r->in.is_bound);
    cr_expect_eq(strncmp(sent(r), "P4", 2), 0);
    close_rig(r);
}

/* More holes than the table of ranges has places: what does not fit is dropped, counted, and pulled later. */
Test(inbox_odd, more_holes_than_places)
{
    enum { MANY = 300 };
    struct rig *r = open_rig(1024, EPOCH, 0);
    bind_session(r);
    for (uint32_t i = 1; i <= MANY; i++)
        message(r, 2 * i);
    cr_expect_eq(r->in.overflows, (uint64_t)MANY - SP_SPAN_RANGES_MAX);
    cr_expect_eq(sp_inbox_held(&r->in), (uint32_t)SP_SPAN_RANGES_MAX);
    cr_expect_str_eq(told(r), "");
    message(r, 1);
    cr_expect_str_eq(told(r), "1 2");
    close_rig(r);
}

/* Skipped seqs are no held messages. */
Test(inbox_odd, held_counts_messages_alone)
{
    struct rig *r = open_rig(64, EPOCH, 0);
    sp_inbox_session_up(&r->in, r->now);
    cr_assert_neq(strlen(sent(r)), 0);
    struct sp_frame_pull_a f = {.code = SP_CODE_OK,
                                .id = r->pull.id,
                                .epoch = {EPOCH},
                                .to = {12},
                                .svr_seq = {12},
                                .n = 1,
                                .skipped = {{3, 9, 3}}};
    sp_inbox_pull_a(&r->in, &f, r->now);
    message(r, 11);
    message(r, 12);
    cr_expect_eq(sp_inbox_held(&r->in), 2U);
    close_rig(r);
}

Test(inbox_odd, ids_go_around)
{
    struct rig *r = open_rig(16, EPOCH, 5);
    r->in.last_id = UINT16_MAX - 1;
    sp_inbox_session_up(&r->in, r->now);
    cr_assert_neq(strlen(sent(r)), 0);
    cr_expect_eq(r->pull.id, UINT16_MAX);
    answer(r, 5, 5);
    message(r, 6);
    cr_expect_str_eq(told(r), "6");
    cr_assert_eq(sp_inbox_keep(&r->in, 6, r->now), 0);
    r->now += SP_SECOND;
    cr_expect_str_eq(sent(r), "A6");
    cr_expect_eq(r->ack.id, 1, "0 means no id");
    close_rig(r);
}

/* The first epoch cannot be kept: nothing is told, and it is tried again when storage is asked again. */
Test(inbox_odd, the_first_epoch_waits_for_storage)
{
    struct rig *r = open_rig(16, 0, 0);
    sp_inbox_session_up(&r->in, r->now);
    cr_assert_neq(strlen(sent(r)), 0);
    r->local.is_broken = true;
    struct sp_frame_resync f = {
        .id = r->pull.id, .why = SP_RESYNC_EPOCH, .epoch = {EPOCH}, .lo = {3}, .hi = {5}};
    sp_inbox_resync(&r->in, &f, r->now);
    cr_expect_str_eq(sent(r), "");
    cr_expect_eq(r->in.epoch.v, 0U);
    cr_expect_str_eq(told(r), "", "the first epoch is no news");
    sp_time retry = sp_inbox_deadline(&r->in);
    cr_assert_neq(retry, SP_NEVER);
    r->local.is_broken = false;
    r->now = retry;
    cr_expect_eq(strncmp(sent(r), "P3", 2), 0);
    cr_expect_eq(r->in.epoch.v, (uint64_t)EPOCH);
    close_rig(r);
}

/* A later epoch that cannot be kept is told only when it can. */
Test(inbox_odd, a_new_epoch_waits_for_storage)
{
    struct rig *r = open_rig(16, EPOCH, 5);
    bind_session(r);
    r->local.is_broken = true;
    struct sp_frame_resync f = {.why = SP_RESYNC_EPOCH, .epoch = {EPOCH + 1}, .lo = {3}, .hi = {5}};
    sp_inbox_resync(&r->in, &f, r->now);
    cr_expect(sp_inbox_has_event(&r->in));
    cr_expect_str_eq(told(r), "");
    cr_expect_eq(r->in.epoch.v, (uint64_t)EPOCH);
    r->local.is_broken = false;
    r->now += 60 * SP_SECOND;
    cr_expect_str_eq(told(r), "R3");
    cr_expect_eq(r->in.epoch.v, (uint64_t)EPOCH + 1);
    close_rig(r);
}
