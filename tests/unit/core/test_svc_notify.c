/* Live messages and tips (docs/protocol.md, section 5.3 rule 6; rulings 13 and 14). */
#include "world.h"

Test(svc_notify, a_bound_session_follows, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0), *b2 = bound("b", 2, 0);
    sp_puppet_send_message(a, 1, 0, "b", "hello");
    const struct sp_frame_msg_n *n = &sp_puppet_wait(b, SP_KIND_MSG_N, 1)->u.msg_n;
    cr_assert_eq(n->seq.v, 1U);
    cr_assert_eq(n->msgid.v, 1U);
    cr_assert_eq(n->device, 1U);
    cr_assert_eq(n->at_ms / 1000, (uint64_t)sp_rig_unix_s(rig));
    cr_assert(n->from.n == 1 && n->from.p[0] == 'a');
    cr_assert(n->body.n == 5 && memcmp(n->body.p, "hello", 5) == 0);
    (void)sp_puppet_wait(b2, SP_KIND_MSG_N, 1);
    cr_assert_eq(answer(a, 1)->state, SP_STATE_ACCEPTED);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
    sp_puppet_destroy(&b2);
}

Test(svc_notify, an_unbound_session_gets_a_tip, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
    fill(a, "b", 1, 3);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_TIP, 1)->u.tip.svr_seq.v, 1U);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(b, SP_KIND_MSG_N), (size_t)0);
    cr_assert_eq(sp_rig_stats(rig).tips_sent, 1U, "one TIP until it pulls");
    cr_assert_eq(answer(a, 1)->state, SP_STATE_STORED);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_notify, a_full_inbox_gets_a_tip_and_then_nothing_until_the_pull, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, SP_CONF_CLIENT_INBOX + 10);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, SP_CONF_CLIENT_INBOX);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_TIP, 1)->u.tip.svr_seq.v, SP_CONF_CLIENT_INBOX + 1U);
    sp_puppet_send_ack(b, 1, SP_CONF_CLIENT_INBOX);
    (void)sp_puppet_wait(b, SP_KIND_ACK_A, 1);
    fill(a, "b", 1000, 5);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).notices_sent, (uint64_t)SP_CONF_CLIENT_INBOX, "ruling 14");
    sp_puppet_send_pull(b, 7, SP_CONF_CLIENT_INBOX, 1, 500, true);
    (void)sp_puppet_wait(b, SP_KIND_PULL_A, 2);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).notices_sent, SP_CONF_CLIENT_INBOX + 15U);
    fill(a, "b", 2000, 1);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).notices_sent, SP_CONF_CLIENT_INBOX + 16U, "live again");
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_notify, a_client_that_wants_tips_gets_tips, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    sp_link_options(&b->link, 25, 64, 2, sp_rig_now(rig));
    sp_rig_poke(rig, b->endpoint);
    sp_rig_run(rig, SP_SECOND);
    fill(a, "b", 1, 1);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_TIP, 1)->u.tip.svr_seq.v, 1U);
    cr_assert_eq(sp_rig_stats(rig).notices_sent, 0U);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_notify, a_session_that_is_behind_gets_a_tip, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
    fill(a, "b", 1, 10);
    sp_puppet_send_pull(b, 1, 0, 1, 5, true);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 5);
    fill(a, "b", 100, 1);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).notices_sent, 5U, "6 to 10 come first");
    cr_assert_eq(sp_rig_stats(rig).tips_sent, 2U);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}
