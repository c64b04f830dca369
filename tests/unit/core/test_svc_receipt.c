/* ack:N: who learns what, when, and what is kept for whom. */
#include "conf.h"
#include "world.h"

Test(svc_receipt, a_sender_that_never_pulls_learns_delivered, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 1);
    sp_puppet_send_ack(b, 1, 1);
    const struct sp_frame_ack_n *f = &sp_puppet_wait(a, SP_KIND_ACK_N, 1)->u.ack_n;
    cr_assert_eq(f->msgid.v, 1U);
    cr_assert_eq(f->state, SP_STATE_DELIVERED);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_receipt, what_an_absent_sender_missed_comes_with_its_next_session, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    fill(a, "b", 1, 3);
    sp_puppet_close(a);
    sp_rig_run(rig, SP_SECOND);
    sp_puppet_destroy(&a);
    struct sp_puppet *b = bound("b", 1, 0);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 3);
    sp_puppet_send_ack(b, 1, 3);
    (void)sp_puppet_wait(b, SP_KIND_ACK_A, 1);
    struct sp_puppet *other = connected("a", 2);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(other, SP_KIND_ACK_N), (size_t)0, "another device sent them");
    a = connected("a", 1);
    for (size_t i = 1; i <= 3; i++)
        cr_assert_eq(sp_puppet_wait(a, SP_KIND_ACK_N, i)->u.ack_n.state, SP_STATE_DELIVERED);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
    sp_puppet_destroy(&other);
}

/* All that the gateway sends to one endpoint is lost. */
static bool drop_down(void *self, const struct sp_rig_packet *p)
{
    return p->endpoint == *(const int *)self && p->dir == SP_DIR_DOWN;
}

Test(svc_receipt, what_was_told_and_lost_is_told_again, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 2);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 2);
    sp_rig_set_filter(rig, drop_down, &a->endpoint);
    sp_puppet_send_ack(b, 1, 2);
    (void)sp_puppet_wait(b, SP_KIND_ACK_A, 1);
    sp_rig_run(rig, SP_SECOND);
    sp_rig_set_filter(rig, NULL, NULL);
    struct sp_puppet *again = connected("a", 1); /* a new session of the device replaces the old one */
    (void)sp_puppet_wait(again, SP_KIND_ACK_N, 2);
    cr_assert_eq(sp_rig_stats(rig).sessions_replaced, 1U);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
    sp_puppet_destroy(&again);
}

Test(svc_receipt, an_absent_sender_is_owed_a_bounded_number, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    fill(a, "b", 1, SP_CONF_OWED_DEVICE + 40);
    sp_puppet_close(a);
    sp_rig_run(rig, SP_SECOND);
    struct sp_puppet *b = bound("b", 1, 0);
    sp_rig_run(rig, 5 * SP_SECOND);
    sp_puppet_send_ack(b, 1, SP_CONF_OWED_DEVICE + 40);
    (void)sp_puppet_wait(b, SP_KIND_ACK_A, 1);
    struct sp_stats st = sp_rig_stats(rig);
    cr_assert_eq(st.receipts_delivered, SP_CONF_OWED_DEVICE + 40U);
    cr_assert_eq(st.receipts_forgotten, 40U);
    struct sp_puppet *again = connected("a", 1);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_geq(sp_puppet_note(again, SP_KIND_ACK_N), (size_t)SP_CONF_OWED_DEVICE);
    sp_puppet_send_status(again, 1, SP_CONF_OWED_DEVICE + 40);
    cr_assert_eq(sp_puppet_wait(again, SP_KIND_STATUS_A, 1)->u.status_a.of[0].state, SP_STATE_DELIVERED,
                 "the others by STATUS");
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&again);
    sp_puppet_destroy(&b);
}

/* Absent users whose messages were delivered must not keep others from having sessions. */
Test(svc_receipt, the_absent_make_room_for_sessions)
{
    struct sp_rig_config cfg = {.seed = 5, .net = {.delay_us = 1000}, .gateway = {.sessions_max = 4}};
    rig = sp_rig_create(&cfg);
    sp_rig_run(rig, 60 * SP_SECOND);
    struct sp_puppet *b = bound("b", 1, 0);
    char name[4] = "u00";
    for (uint32_t i = 0; i < 30; i++) {
        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        struct sp_puppet *u = connected(name, 1);
        fill(u, "b", 1, 1);
        sp_puppet_close(u);
        sp_rig_run(rig, 5 * SP_SECOND);
        sp_puppet_destroy(&u);
        sp_puppet_send_ack(b, (uint16_t)(i + 1), i + 1);
        (void)sp_puppet_wait(b, SP_KIND_ACK_A, i + 1);
    }
    cr_assert_eq(sp_rig_stats(rig).receipts_delivered, 30U);
    cr_assert_gt(sp_rig_stats(rig).receipts_forgotten, 0U);
    sp_puppet_destroy(&b);
    sp_rig_destroy(&rig);
}
