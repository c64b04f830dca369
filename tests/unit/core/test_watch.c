/* STORED for recipients that are there and do not confirm (docs/protocol.md, section 5.3 rule 7). */
#include "world.h"

static bool drop_all_of(void *self, const struct sp_rig_packet *p)
{
    return p->endpoint == *(const int *)self;
}

Test(watch, stored_after_eight_seconds_without_ack, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 1);
    sp_rig_run(rig, 7800 * SP_MS);
    cr_assert_eq(sp_puppet_note(a, SP_KIND_ACK_N), (size_t)0);
    sp_puppet_send_status(a, 1, 1);
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_STATUS_A, 1)->u.status_a.of[0].state, SP_STATE_ACCEPTED);
    sp_rig_run(rig, 400 * SP_MS);
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_ACK_N, 1)->u.ack_n.state, SP_STATE_STORED);
    sp_puppet_send_status(a, 2, 1);
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_STATUS_A, 2)->u.status_a.of[0].state, SP_STATE_STORED);
    sp_puppet_send_ack(b, 1, 1);
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_ACK_N, 2)->u.ack_n.state, SP_STATE_DELIVERED);
    cr_assert_eq(sp_rig_stats(rig).receipts_stored, 1U);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(watch, stored_at_once_when_the_recipient_says_goodbye, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 3);
    sp_puppet_close(b);
    sp_time before = sp_rig_now(rig);
    for (size_t i = 1; i <= 3; i++)
        cr_assert_eq(sp_puppet_wait(a, SP_KIND_ACK_N, i)->u.ack_n.state, SP_STATE_STORED);
    cr_assert_lt(sp_rig_now(rig) - before, 100 * SP_MS);
    fill(a, "b", 4, 1);
    cr_assert_eq(answer(a, 4)->state, SP_STATE_STORED);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(watch, stored_when_the_recipient_goes_dark, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    sp_rig_set_filter(rig, drop_all_of, &b->endpoint);
    fill(a, "b", 1, 1);
    cr_assert_eq(answer(a, 1)->state, SP_STATE_ACCEPTED);
    sp_rig_run(rig, 8200 * SP_MS);
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_ACK_N, 1)->u.ack_n.state, SP_STATE_STORED);
    cr_assert_eq(sp_rig_stats(rig).sessions_dark, 1U);
    fill(a, "b", 2, 1);
    cr_assert_eq(answer(a, 2)->state, SP_STATE_STORED, "dark is absent");
    sp_rig_set_filter(rig, NULL, NULL);
    sp_rig_run(rig, 20 * SP_SECOND);
    fill(a, "b", 3, 1);
    cr_assert_eq(answer(a, 3)->state, SP_STATE_ACCEPTED, "heard again");
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(watch, another_device_of_the_user_keeps_it_present, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0), *b2 = bound("b", 2, 0);
    fill(a, "b", 1, 1);
    sp_puppet_close(b);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(a, SP_KIND_ACK_N), (size_t)0);
    sp_puppet_send_ack(b2, 1, 1);
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_ACK_N, 1)->u.ack_n.state, SP_STATE_DELIVERED);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
    sp_puppet_destroy(&b2);
}
