/* ack:R: what moves the cursor and what does not (docs/protocol.md, section 5.4). */
#include "world.h"

static const struct sp_frame_ack_a *ack_a(struct sp_puppet *p, size_t n)
{
    return &sp_puppet_wait(p, SP_KIND_ACK_A, n)->u.ack_a;
}

Test(svc_ack, confirms_what_was_sent, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 3);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 3);
    sp_puppet_send_ack(b, 4, 2);
    cr_assert_eq(ack_a(b, 1)->id, 4);
    cr_assert_eq(ack_a(b, 1)->code, SP_CODE_OK);
    cr_assert_eq(ack_a(b, 1)->confirmed.v, 2U);
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_ACK_N, 2)->u.ack_n.state, SP_STATE_DELIVERED);
    sp_puppet_send_ack(b, 5, 1);
    cr_assert_eq(ack_a(b, 2)->code, SP_CODE_OK, "never down");
    cr_assert_eq(ack_a(b, 2)->confirmed.v, 2U);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

/* Story 14. */
Test(svc_ack, above_what_was_sent_is_too_high, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
    fill(a, "b", 1, 50);
    sp_puppet_send_pull(b, 1, 0, 1, 40, true);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 40);
    sp_puppet_send_ack(b, 1, 45);
    cr_assert_eq(ack_a(b, 1)->code, SP_CODE_ACK_TOO_HIGH);
    cr_assert_eq(ack_a(b, 1)->confirmed.v, 0U);
    sp_puppet_send_ack(b, 2, 40);
    cr_assert_eq(ack_a(b, 2)->code, SP_CODE_OK);
    cr_assert_eq(sp_rig_stats(rig).receipts_delivered, 40U);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_ack, silent_ones_get_no_answer_unless_wrong, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 1);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 1);
    struct sp_frame f = {.kind = SP_KIND_ACK_R,
                         .u.ack_r = {.kind = SP_ACK_R_DELIVERED | SP_ACK_R_SILENT, .id = 1, .cursor = {1}}};
    sp_puppet_send(b, &f);
    (void)sp_puppet_wait(a, SP_KIND_ACK_N, 1);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(b, SP_KIND_ACK_A), (size_t)0);
    f.u.ack_r.cursor.v = 2;
    sp_puppet_send(b, &f);
    cr_assert_eq(ack_a(b, 1)->code, SP_CODE_ACK_TOO_HIGH);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_ack, read_marks_what_is_confirmed, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 5);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 5);
    struct sp_frame f = {
        .kind = SP_KIND_ACK_R,
        .u.ack_r = {.kind = SP_ACK_R_READ, .id = 1, .cursor = {2}, .n = 1, .held = {{4, 4}}}};
    sp_puppet_send(b, &f);
    cr_assert_eq(ack_a(b, 1)->code, SP_CODE_ACK_TOO_HIGH, "ruling 37: nothing is confirmed yet");
    sp_puppet_send_ack(b, 2, 5);
    (void)sp_puppet_wait(a, SP_KIND_ACK_N, 5);
    f.u.ack_r.id = 3;
    sp_puppet_send(b, &f);
    for (size_t i = 6; i <= 8; i++)
        cr_assert_eq(sp_puppet_wait(a, SP_KIND_ACK_N, i)->u.ack_n.state, SP_STATE_READ);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(a, SP_KIND_ACK_N), (size_t)8, "1, 2 and 4");
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

/* Story 13: the mailbox is that of the session's user, whatever the frame says. */
Test(svc_ack, another_user_moves_nothing, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0), *x = bound("x", 1, 0);
    fill(a, "b", 1, 1);
    sp_puppet_send_ack(x, 1, 1);
    cr_assert_eq(ack_a(x, 1)->code, SP_CODE_ACK_TOO_HIGH);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(a, SP_KIND_ACK_N), (size_t)0);
    sp_puppet_send_ack(b, 1, 1);
    cr_assert_eq(ack_a(b, 1)->code, SP_CODE_OK);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
    sp_puppet_destroy(&x);
}
