/* PULL:R by PULL:R: judgement, ranges, pace (docs/protocol.md, section 5.4). */
#include "world.h"

static const struct sp_frame_pull_a *pull_a(struct sp_puppet *p, size_t n)
{
    return &sp_puppet_wait(p, SP_KIND_PULL_A, n)->u.pull_a;
}

Test(svc_pull, judges_epoch_then_head_then_bound, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
    fill(a, "b", 1, 5);
    sp_puppet_send_pull(b, 1, 99, 7, 10, true); /* other epoch and too high: the epoch comes first */
    const struct sp_frame_resync *r = &sp_puppet_wait(b, SP_KIND_RESYNC, 1)->u.resync;
    cr_assert_eq(r->why, SP_RESYNC_EPOCH);
    cr_assert_eq(r->id, 1);
    cr_assert_eq(r->epoch.v, 1U);
    cr_assert_eq(r->lo.v, 0U);
    cr_assert_eq(r->hi.v, 5U);
    sp_puppet_send_pull(b, 2, 6, 1, 10, true);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_RESYNC, 2)->u.resync.why, SP_RESYNC_CURSOR);
    sp_puppet_send_ack(b, 1, 1);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_ACK_A, 1)->u.ack_a.code, SP_CODE_NOT_BOUND,
                 "RESYNC does not bind");
    sp_puppet_send_pull(b, 3, 0, 1, 2, true);
    cr_assert_eq(pull_a(b, 1)->code, SP_CODE_OK);
    cr_assert_eq(pull_a(b, 1)->to.v, 2U);
    sp_puppet_send_pull(b, 4, 3, 1, 2, true);
    cr_assert_eq(pull_a(b, 2)->code, SP_CODE_ACK_TOO_HIGH);
    cr_assert_eq(pull_a(b, 2)->confirmed.v, 0U);
    cr_assert_eq(pull_a(b, 2)->svr_seq.v, 5U);
    sp_puppet_send_pull(b, 5, 2, 1, 500, true);
    cr_assert_eq(pull_a(b, 3)->confirmed.v, 2U);
    cr_assert_eq(pull_a(b, 3)->to.v, 5U);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 5);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_pull, without_the_right_forbidden, .init = setup, .fini = teardown)
{
    struct sp_puppet *b = sp_puppet_create(rig, "b", 1, SP_RIGHT_SEND);
    sp_puppet_connect(b);
    sp_puppet_send_pull(b, 1, 0, 1, 10, true);
    cr_assert_eq(pull_a(b, 1)->code, SP_CODE_FORBIDDEN);
    sp_puppet_send_ack(b, 1, 0);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_ACK_A, 1)->u.ack_a.code, SP_CODE_NOT_BOUND);
    sp_puppet_destroy(&b);
}

Test(svc_pull, a_pull_without_the_flag_confirms_nothing, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
    fill(a, "b", 1, 5);
    sp_puppet_send_pull(b, 1, 3, 1, 0, false);
    cr_assert_eq(pull_a(b, 1)->confirmed.v, 0U);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_MSG_N, 1)->u.msg_n.seq.v, 4U);
    sp_puppet_send_ack(b, 1, 3);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_ACK_A, 1)->u.ack_a.code, SP_CODE_OK, "it was stated first");
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_pull, held_and_carried_messages_do_not_go_again, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 10);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 10);
    sp_rig_run(rig, SP_SECOND);
    struct sp_frame f = {.kind = SP_KIND_PULL_R};
    f.u.pull_r = (struct sp_frame_pull_r){.flags = SP_PULL_CONFIRMS,
                                          .id = 9,
                                          .max = 500,
                                          .cursor = {2},
                                          .epoch = {1},
                                          .n = 2,
                                          .held = {{4, 5}, {7, 9}}};
    sp_puppet_send(b, &f);
    (void)pull_a(b, 2);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(b, SP_KIND_MSG_N), (size_t)13, "3, 6 and 10 again");
    sp_puppet_send(b, &f);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(b, SP_KIND_PULL_A), (size_t)2, "a late copy of an answered pull");
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

/* Nothing that goes down arrives. */
static bool drop_down(void *self, const struct sp_rig_packet *p)
{
    return p->endpoint == *(const int *)self && p->dir == SP_DIR_DOWN;
}

Test(svc_pull, a_pull_does_not_repeat_what_the_link_still_carries, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    sp_rig_set_filter(rig, drop_down, &b->endpoint);
    fill(a, "b", 1, 5);
    sp_puppet_send_pull(b, 9, 0, 1, 500, true);
    sp_rig_run(rig, 100 * SP_MS);
    cr_assert_eq(sp_rig_stats(rig).pulls, 2U);
    cr_assert_eq(sp_rig_stats(rig).notices_sent, 5U);
    sp_rig_set_filter(rig, NULL, NULL);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 5);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(b, SP_KIND_MSG_N), (size_t)5);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

static bool has_notice(const struct sp_puppet *p, uint32_t seq)
{
    for (size_t i = 0; i < p->frames_n; i++) {
        if (p->frames[i]->frame.kind == SP_KIND_MSG_N && p->frames[i]->frame.u.msg_n.seq.v == seq)
            return true;
    }
    return false;
}

Test(svc_pull, a_slow_reader_gets_all_in_its_pace, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
    struct sp_model_config slow = {.delay_us = 50000, .loss = {0.1, 0.1}};
    fill(a, "b", 1, 500);
    sp_rig_set_net(rig, b->endpoint, &slow);
    sp_puppet_send_pull(b, 1, 0, 1, 500, true);
    cr_assert_eq(pull_a(b, 1)->to.v, 500U);
    cr_assert_leq(sp_rig_stats(rig).notices_sent, (uint64_t)SP_CONF_LINK_NOTICES + 64,
                  "the rest stays in the store");
    sp_rig_run(rig, 30 * SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).notices_sent, 500U, "each once; copies are the link's");
    for (uint32_t seq = 1; seq <= 500; seq++)
        cr_assert(has_notice(b, seq), "seq %u", seq);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_pull, a_newer_pull_takes_the_place_of_one_under_way, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
    fill(a, "b", 1, 20);
    sp_puppet_send_pull(b, 1, 0, 1, 5, true);
    sp_puppet_send_pull(b, 2, 10, 1, 5, true);
    sp_puppet_send_pull(b, 3, 0, 1, 5, true);
    (void)sp_puppet_wait(b, SP_KIND_PULL_A, 2);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_gt(sp_puppet_note(b, SP_KIND_MSG_N), (size_t)0);
    cr_assert_eq(sp_rig_stats(rig).store_unknown, 0U);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_pull, empty_mailbox, .init = setup, .fini = teardown)
{
    struct sp_puppet *b = bound("b", 1, 0);
    cr_assert_eq(pull_a(b, 1)->to.v, 0U);
    cr_assert_eq(pull_a(b, 1)->svr_seq.v, 0U);
    cr_assert_eq(pull_a(b, 1)->n, 0);
    sp_puppet_destroy(&b);
}

/* What was confirmed by another device may lie far above what this one has not acknowledged. */
Test(svc_pull, far_above_what_the_link_carries_waits, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0), *c = bound("b", 2, 0);
    const struct sp_model_config deaf = {.delay_us = 1000, .loss = {0, 1}}, good = {.delay_us = 1000};
    sp_rig_set_net(rig, c->endpoint, &deaf);
    fill(a, "b", 1, 1100);
    for (uint16_t i = 0; i < 3; i++) {
        sp_puppet_send_pull(b, (uint16_t)(i + 2), 400U * i, 1, 500, true);
        sp_rig_run(rig, 10 * SP_SECOND);
    }
    sp_puppet_send_ack(b, 9, 1050);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_ACK_A, 1)->u.ack_a.code, SP_CODE_OK);
    sp_puppet_send_pull(c, 2, 0, 1, 500, true);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_not(has_notice(c, 1100));
    sp_rig_set_net(rig, c->endpoint, &good);
    sp_rig_run(rig, 60 * SP_SECOND);
    cr_assert(has_notice(c, 1100));
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
    sp_puppet_destroy(&c);
}
