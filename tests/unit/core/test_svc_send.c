/* msg:R by msg:R (docs/protocol.md, section 5.3). */
#include "dedup.h"
#include "world.h"

#include <stdio.h>

Test(svc_send, stores_and_answers, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    sp_puppet_send_message(a, 10, 0, "b", "x");
    const struct sp_frame_msg_a *f = answer(a, 1);
    cr_assert_eq(f->code, SP_CODE_OK);
    cr_assert_eq(f->seq.v, 1U);
    cr_assert_eq(f->state, SP_STATE_STORED, "nobody is there");
    cr_assert_eq(sp_puppet_note(a, SP_KIND_ACK_N), (size_t)0, "ruling 50");
    sp_puppet_destroy(&a);
}

Test(svc_send, a_repeat_gets_the_same_seq_and_another_body_id_reused, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    fill(a, "b", 1, 3);
    sp_puppet_send_message(a, 2, 0, "b", "x");
    cr_assert_eq(answer(a, 4)->code, SP_CODE_OK);
    cr_assert_eq(answer(a, 4)->seq.v, 2U);
    sp_puppet_send_message(a, 2, 0, "b", "y");
    cr_assert_eq(answer(a, 5)->code, SP_CODE_ID_REUSED);
    sp_puppet_send_message(a, 2, 0, "c", "x");
    cr_assert_eq(answer(a, 6)->code, SP_CODE_ID_REUSED);
    sp_puppet_send_message(a, 2, 0, "b", "x");
    cr_assert_eq(answer(a, 7)->code, SP_CODE_OK, "ID_REUSED is not remembered: the message itself is fine");
    cr_assert_eq(sp_rig_stats(rig).messages_stored, 3U);
    sp_puppet_destroy(&a);
}

static void send_with(struct sp_puppet *p, uint64_t id, uint8_t flags)
{
    static const uint8_t part[SP_PART_MAX] = {1};
    struct sp_frame f = {.kind = SP_KIND_MSG_R};
    f.u.msg_r = (struct sp_frame_msg_r){.flags = flags,
                                        .msgid = {id},
                                        .to = {(const uint8_t *)"b", 1},
                                        .count = 2,
                                        .ttl_s = 5,
                                        .body = {part, 1}};
    if ((flags & SP_MSG_FRAG) != 0)
        f.u.msg_r.body.n = SP_PART_MAX;
    sp_puppet_send(p, &f);
}

Test(svc_send, groups_and_fragments_are_refused, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    send_with(a, 1, SP_MSG_GROUP);
    cr_assert_eq(answer(a, 1)->code, SP_CODE_NO_USER);
    send_with(a, 2, SP_MSG_FRAG);
    cr_assert_eq(answer(a, 2)->code, SP_CODE_TOO_BIG);
    send_with(a, 2, SP_MSG_FRAG);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(a, SP_KIND_MSG_A), (size_t)2, "one answer for all parts");
    send_with(a, 1, SP_MSG_GROUP);
    cr_assert_eq(answer(a, 3)->code, SP_CODE_NO_USER);
    sp_puppet_destroy(&a);
}

Test(svc_send, without_the_right_forbidden_but_a_repeat_is_ok, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    fill(a, "b", 1, 1);
    sp_puppet_destroy(&a);
    a = sp_puppet_create(rig, "a", 1, SP_RIGHT_RECEIVE);
    sp_puppet_connect(a);
    sp_puppet_send_message(a, 2, 0, "b", "x");
    cr_assert_eq(answer(a, 1)->code, SP_CODE_FORBIDDEN);
    sp_puppet_send_message(a, 1, 0, "b", "x");
    cr_assert_eq(answer(a, 2)->code, SP_CODE_OK, "G4: before any check");
    sp_puppet_destroy(&a);
}

Test(svc_send, a_refused_id_stays_refused_in_its_session, .fini = teardown)
{
    struct sp_store_config limits = {.mailbox_count = 4, .share_percent = 100};
    start_world("mem:", &limits);
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 4);
    sp_puppet_send_message(a, 5, 0, "b", "x");
    cr_assert_eq(answer(a, 5)->code, SP_CODE_QUOTA);
    sp_puppet_send_ack(b, 1, 4);
    (void)sp_puppet_wait(b, SP_KIND_ACK_A, 1);
    sp_puppet_send_message(a, 5, 0, "b", "x");
    cr_assert_eq(answer(a, 6)->code, SP_CODE_QUOTA, "story 22: a late copy is never stored");
    sp_puppet_send_message(a, 6, 5, "b", "x");
    cr_assert_eq(answer(a, 7)->code, SP_CODE_OK, "a refused predecessor lets its follower go");
    cr_assert_eq(answer(a, 7)->seq.v, 5U);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_send, too_many_refusals_end_the_session, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    for (uint64_t id = 1; id <= SP_DEDUP_MAX + 1; id++)
        send_with(a, id, SP_MSG_GROUP);
    sp_rig_run(rig, SP_SECOND);
    cr_assert(a->is_closed);
    cr_assert_eq(a->close.code, SP_CLOSE_LIMIT);
    cr_assert_eq(sp_rig_stats(rig).sessions_refused, 1U);
    sp_puppet_destroy(&a);
}

Test(svc_send, waits_for_the_one_before, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    sp_puppet_send_message(a, 3, 2, "b", "three");
    sp_puppet_send_message(a, 2, 1, "b", "two");
    sp_puppet_send_message(a, 9, 0, "c", "other");
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(a, SP_KIND_MSG_A), (size_t)1, "other conversations pass");
    cr_assert_eq(answer(a, 1)->msgid.v, 9U);
    sp_puppet_send_message(a, 1, 0, "b", "one");
    for (size_t i = 2; i <= 4; i++) {
        cr_assert_eq(answer(a, i)->msgid.v, i - 1);
        cr_assert_eq(answer(a, i)->seq.v, i - 1);
    }
    sp_puppet_destroy(&a);
}

Test(svc_send, busy_after_ten_seconds_of_waiting, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    sp_puppet_send_message(a, 3, 2, "b", "x");
    sp_rig_run(rig, 9 * SP_SECOND);
    cr_assert_eq(sp_puppet_note(a, SP_KIND_MSG_A), (size_t)0);
    sp_rig_run(rig, 2 * SP_SECOND);
    cr_assert_eq(answer(a, 1)->code, SP_CODE_BUSY);
    cr_assert_eq(answer(a, 1)->retry, SP_CONF_BUSY_RETRY);
    fill(a, "b", 2, 1);
    sp_puppet_send_message(a, 3, 2, "b", "x");
    cr_assert_eq(answer(a, 3)->code, SP_CODE_OK, "BUSY is not remembered");
    sp_puppet_destroy(&a);
}

Test(svc_send, holds_no_more_than_its_limit, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    for (uint64_t id = 0; id <= SP_CONF_HOLD_MAX; id++)
        sp_puppet_send_message(a, 100 + id, 50, "b", "x");
    cr_assert_eq(answer(a, 1)->code, SP_CODE_BUSY);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).messages_busy, 1U);
    sp_puppet_send_message(a, 50, 0, "b", "x");
    (void)answer(a, 2 + SP_CONF_HOLD_MAX);
    cr_assert_eq(sp_rig_stats(rig).messages_stored, 1U + SP_CONF_HOLD_MAX);
    sp_puppet_destroy(&a);
}

Test(svc_send, more_than_the_inbox_is_busy, .fini = teardown)
{
    struct sp_store_config limits = {.faults = {.set = true, .max_delay_us = 5 * SP_SECOND}};
    start_world("fault:1:mem:", &limits);
    struct sp_puppet *a = connected("a", 1);
    for (uint64_t id = 1; id <= SP_CONF_INBOX + 10; id++)
        sp_puppet_send_message(a, id, 0, "b", "x");
    sp_rig_run(rig, 8 * SP_SECOND);
    struct sp_stats st = sp_rig_stats(rig);
    cr_assert_geq(st.messages_busy, 1U);
    cr_assert_leq(st.messages_busy, 10U);
    cr_assert_eq(st.messages_stored + st.messages_busy, (uint64_t)SP_CONF_INBOX + 10);
    sp_puppet_destroy(&a);
}

Test(svc_send, done_frees_the_rows, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    fill(a, "b", 1, 3);
    struct sp_frame f = {.kind = SP_KIND_DONE, .u.done = {{2}}};
    sp_puppet_send(a, &f);
    sp_rig_run(rig, SP_SECOND);
    sp_puppet_send_message(a, 2, 0, "b", "x");
    cr_assert_eq(answer(a, 4)->code, SP_CODE_DUP_EXPIRED);
    sp_puppet_send_message(a, 3, 0, "b", "x");
    cr_assert_eq(answer(a, 5)->code, SP_CODE_OK);
    cr_assert_eq(answer(a, 5)->seq.v, 3U);
    sp_puppet_destroy(&a);
}

Test(svc_send, a_time_to_live_is_kept, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    send_with(a, 1, SP_MSG_TTL); /* 5 s */
    fill(a, "b", 2, 1);
    sp_rig_run(rig, 6 * SP_SECOND);
    struct sp_puppet *b = bound("b", 1, 0);
    const struct sp_frame_pull_a *f = &sp_puppet_find(b, SP_KIND_PULL_A, 1)->u.pull_a;
    cr_assert_eq(f->n, 1);
    cr_assert_eq(f->skipped[0].lo, 1U);
    cr_assert_eq(f->skipped[0].hi, 1U);
    cr_assert_eq(f->skipped[0].why, SP_WHY_EXPIRED);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_MSG_N, 1)->u.msg_n.seq.v, 2U);
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_ACK_N, 1)->u.ack_n.state, SP_STATE_ENDED);
    cr_assert_eq(sp_rig_stats(rig).receipts_ended, 1U);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_send, four_reports, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    send_with(a, 1, SP_MSG_FOUR);
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_ACK_N, 1)->u.ack_n.state, SP_STATE_STORED, "B is absent");
    send_with(a, 1, SP_MSG_FOUR);
    struct sp_puppet *b = bound("b", 1, 1); /* has the first */
    send_with(a, 2, SP_MSG_FOUR);
    const struct sp_frame *n = sp_puppet_wait(b, SP_KIND_MSG_N, 1);
    cr_assert_eq(n->u.msg_n.flags, SP_MSG_FOUR);
    sp_rig_run(rig, 1500 * SP_MS);
    size_t told = sp_puppet_note(a, SP_KIND_ACK_N);
    sp_rig_run(rig, 1000 * SP_MS);
    cr_assert_eq(sp_puppet_note(a, SP_KIND_ACK_N), told + 1, "STORED after 2 s unconfirmed");
    cr_assert_eq(sp_puppet_note(a, SP_KIND_MSG_A), (size_t)0);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

static sp_time time_of(const struct sp_puppet *p, const struct sp_frame *f)
{
    for (size_t i = 0; i < p->frames_n; i++) {
        if (&p->frames[i]->frame == f)
            return p->frames[i]->at;
    }
    return SP_NEVER;
}

/* The store's answers to a repeat and to the confirmation of the same message change places: the sender must
 * not be taken back from DELIVERED (G5).  True: they did. */
static bool overtake(unsigned seed)
{
    char url[32];
    (void)snprintf(url, sizeof url, "fault:%u:mem:", seed);
    start_world(url, &(struct sp_store_config){.faults = {.set = true, .max_delay_us = SP_SECOND}});
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    sp_puppet_send_message(a, 1, 0, "b", "x");
    (void)answer(a, 1);
    sp_puppet_send_pull(b, 2, 0, 1, 500, true);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 1);
    sp_puppet_send_message(a, 1, 0, "b", "x");
    sp_rig_run(rig, 10 * SP_MS);
    sp_puppet_send_ack(b, 3, 1);
    (void)answer(a, 2);
    sp_rig_run(rig, 2 * SP_SECOND);
    size_t told = sp_puppet_note(a, SP_KIND_ACK_N);
    const struct sp_frame *last = sp_puppet_find(a, SP_KIND_ACK_N, told);
    const struct sp_frame *again = sp_puppet_find(a, SP_KIND_MSG_A, 2);
    cr_assert_eq(last->u.ack_n.state, SP_STATE_DELIVERED);
    bool is_overtaken = time_of(a, last) < time_of(a, again);
    if (is_overtaken)
        cr_expect_eq(again->u.msg_a.state, SP_STATE_DELIVERED, "seed %u", seed);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
    teardown();
    return is_overtaken;
}

Test(svc_send, a_late_answer_does_not_take_the_sender_back)
{
    unsigned overtaken = 0;
    for (unsigned seed = 1; seed <= 20; seed++)
        overtaken += overtake(seed);
    cr_expect_gt(overtaken, 3U, "of 20");
}

/* The store executes an APPEND and all its answers are lost: a recipient who is there hears of the message
 * all the same, unless the look at the mailbox is lost, too.  True: they were lost. */
static bool lose_answers(unsigned seed, unsigned *tipped)
{
    char url[32];
    (void)snprintf(url, sizeof url, "fault:%u:mem:", seed);
    start_world(url, &(struct sp_store_config){.faults = {.set = true, .lost = 500}});
    struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
    for (uint16_t id = 1; sp_puppet_note(b, SP_KIND_PULL_A) == 0; id++) {
        sp_puppet_send_pull(b, id, 0, 1, 500, true);
        sp_rig_run(rig, 500 * SP_MS);
    }
    sp_puppet_send_message(a, 1, 0, "b", "x");
    sp_rig_run(rig, SP_SECOND);
    bool is_lost = sp_puppet_note(a, SP_KIND_MSG_A) == 0;
    if (is_lost)
        *tipped += sp_puppet_note(b, SP_KIND_TIP) == 1;
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
    teardown();
    return is_lost;
}

Test(svc_send, a_recipient_hears_of_a_message_whose_answers_were_lost)
{
    unsigned lost = 0, tipped = 0;
    for (unsigned seed = 1; seed <= 50; seed++)
        lost += lose_answers(seed, &tipped);
    cr_expect_gt(lost, 2U);
    cr_expect_gt(2 * tipped, lost, "%u of %u", tipped, lost);
}
