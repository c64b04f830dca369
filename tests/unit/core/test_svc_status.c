/* STATUS:R (rulings 39 and 40). */
#include "world.h"

Test(svc_status, answers_in_the_order_asked, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 2);
    fill(a, "c", 3, 1);
    sp_puppet_send_ack(b, 1, 1);
    (void)sp_puppet_wait(a, SP_KIND_ACK_N, 1);
    struct sp_frame f = {.kind = SP_KIND_STATUS_R,
                         .u.status_r = {.id = 77, .n = 4, .msgids = {{3}, {99}, {1}, {2}}}};
    sp_puppet_send(a, &f);
    const struct sp_frame_status_a *s = &sp_puppet_wait(a, SP_KIND_STATUS_A, 1)->u.status_a;
    cr_assert_eq(s->id, 77);
    cr_assert_eq(s->n, 4);
    static const struct {
        uint8_t state;
        uint32_t seq;
    } expected[] = {
        {SP_STATE_STORED, 1}, {SP_STATE_UNKNOWN, 0}, {SP_STATE_DELIVERED, 1}, {SP_STATE_ACCEPTED, 2}};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(s->of[i].state, expected[i].state, "row %zu", i);
        cr_assert_eq(s->of[i].seq.v, expected[i].seq, "row %zu", i);
    }
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(svc_status, of_another_device_nothing_is_known, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *other = connected("a", 2);
    fill(a, "b", 1, 1);
    sp_puppet_send_status(other, 1, 1);
    cr_assert_eq(sp_puppet_wait(other, SP_KIND_STATUS_A, 1)->u.status_a.of[0].state, SP_STATE_UNKNOWN);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&other);
}

Test(svc_status, waits_for_the_fate_of_what_is_under_way, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    sp_puppet_send_message(a, 2, 1, "b", "x"); /* waits for 1 */
    sp_puppet_send_status(a, 1, 2);
    sp_rig_run(rig, 5 * SP_SECOND);
    cr_assert_eq(sp_puppet_note(a, SP_KIND_STATUS_A), (size_t)0);
    sp_puppet_send_message(a, 1, 0, "b", "x");
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_STATUS_A, 1)->u.status_a.of[0].state, SP_STATE_STORED);
    sp_puppet_send_message(a, 4, 3, "b", "x");
    sp_puppet_send_status(a, 2, 4);
    sp_rig_run(rig, 11 * SP_SECOND);
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_STATUS_A, 2)->u.status_a.of[0].state, SP_STATE_UNKNOWN,
                 "given up after 10 s");
    sp_puppet_destroy(&a);
}

Test(svc_status, at_most_four_at_once, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    sp_puppet_send_message(a, 2, 1, "b", "x");
    for (uint16_t id = 1; id <= 10; id++)
        sp_puppet_send_status(a, id, 2);
    sp_rig_run(rig, SP_SECOND);
    sp_puppet_send_message(a, 1, 0, "b", "x");
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).statuses, (uint64_t)SP_CONF_STATUS_OPEN);
    sp_puppet_send_message(a, 4, 3, "b", "x");
    sp_puppet_send_status(a, 11, 4);
    sp_rig_run(rig, SP_SECOND);
    sp_puppet_close(a); /* with a question that waits */
    sp_rig_run(rig, 20 * SP_SECOND);
    cr_assert_eq(sp_gateway_sessions(sp_rig_gateway(rig)), (size_t)0);
    sp_puppet_destroy(&a);
}

/* A client has four questions open and repeats them: a repeat takes no other's place. */
Test(svc_status, one_asked_again_takes_no_room, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    sp_puppet_send_message(a, 2, 1, "b", "x"); /* waits for 1 */
    for (uint16_t i = 0; i < 8; i++)
        sp_puppet_send_status(a, i < 5 ? 1 : i - 3, 2);
    sp_rig_run(rig, SP_SECOND);
    sp_puppet_send_message(a, 1, 0, "b", "x");
    sp_rig_run(rig, 5 * SP_SECOND);
    cr_assert_eq(sp_puppet_note(a, SP_KIND_STATUS_A), (size_t)4);
    for (uint16_t id = 1; id <= 4; id++)
        cr_assert_eq(sp_puppet_wait(a, SP_KIND_STATUS_A, id)->u.status_a.id, id);
    sp_puppet_destroy(&a);
}
