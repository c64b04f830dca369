/* The services at their edges: statements that state nothing, several at once while the store is slow, and
 * sessions that end before their answer. */
#include "world.h"

/* The store answers within 300 ms, in any order; nothing is lost. */
static void slow_setup(void)
{
    struct sp_store_config limits = {.faults = {.set = true, .max_delay_us = 300000}};
    start_world("fault:3:mem:", &limits);
}

static const struct sp_frame_ack_a *ack_a(struct sp_puppet *p, size_t n)
{
    return &sp_puppet_wait(p, SP_KIND_ACK_A, n)->u.ack_a;
}

static void send_read(struct sp_puppet *p, uint16_t id, uint32_t cursor, uint32_t lo, uint32_t hi)
{
    struct sp_frame f = {.kind = SP_KIND_ACK_R,
                         .u.ack_r = {.kind = SP_ACK_R_READ, .id = id, .cursor = {cursor}}};
    if (hi > 0) {
        f.u.ack_r.n = 1;
        f.u.ack_r.held[0] = (struct sp_range){lo, hi};
    }
    sp_puppet_send(p, &f);
}

Test(svc_odd, read_of_nothing_and_of_single_ranges, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 6);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 6);
    sp_puppet_send_ack(b, 1, 4);
    cr_assert_eq(ack_a(b, 1)->code, SP_CODE_OK);
    send_read(b, 2, 0, 0, 0);
    cr_assert_eq(ack_a(b, 2)->code, SP_CODE_OK, "nothing was stated");
    send_read(b, 3, 0, 2, 3);
    cr_assert_eq(ack_a(b, 3)->code, SP_CODE_OK);
    send_read(b, 4, 1, 4, 5);
    cr_assert_eq(ack_a(b, 4)->code, SP_CODE_ACK_TOO_HIGH, "5 is not delivered yet");
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).receipts_delivered, 4U);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

/* While one is in the store the newest of each kind waits; those between get no answer of their own. */
Test(svc_odd, many_statements_at_once, .init = slow_setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 1, 0);
    fill(a, "b", 1, 8);
    sp_puppet_send_pull(b, 2, 0, 1, 500, false); /* notices may be late too: a pull has them all */
    sp_rig_run(rig, 5 * SP_SECOND);
    for (uint16_t id = 1; id <= 8; id++) { /* apart, or the newest alone would leave; the 7th is a late one */
        sp_puppet_send_ack(b, id, id == 7 ? 3 : id == 8 ? 6 : id);
        sp_rig_run(rig, 3 * SP_MS);
    }
    send_read(b, 9, 1, 0, 0);
    sp_rig_run(rig, 3 * SP_MS);
    send_read(b, 10, 2, 0, 0);
    sp_rig_run(rig, 3 * SP_SECOND);
    size_t n = sp_puppet_note(b, SP_KIND_ACK_A);
    cr_assert(n >= 2 && n < 10, "%zu answers", n);
    cr_assert_eq(sp_rig_stats(rig).receipts_delivered, 6U);
    sp_puppet_send_ack(b, 11, 8);
    cr_assert_eq(ack_a(b, n + 1)->confirmed.v, 8U);
    send_read(b, 12, 8, 0, 0);
    cr_assert_eq(ack_a(b, n + 2)->id, 12);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

/* A pull that comes while another is in the store is the next; a copy of one that was answered is nothing. */
Test(svc_odd, many_pulls_at_once, .init = slow_setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
    fill(a, "b", 1, 5);
    for (uint16_t id = 1; id <= 4; id++) {
        sp_puppet_send_pull(b, id, 0, 1, 500, true);
        sp_puppet_send_pull(b, id, 0, 1, 500, true);
    }
    sp_rig_run(rig, 3 * SP_SECOND);
    size_t n = sp_puppet_note(b, SP_KIND_PULL_A);
    cr_assert(n >= 1 && n <= 4, "%zu answers", n);
    cr_assert_eq(sp_puppet_find(b, SP_KIND_PULL_A, n)->u.pull_a.id, 4, "the newest has its answer");
    sp_puppet_send_pull(b, 4, 0, 1, 500, true);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(b, SP_KIND_PULL_A), n);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

/* Sessions that end while the store has their requests: what was stated still counts, and nothing is left. */
Test(svc_odd, sessions_that_do_not_wait, .init = slow_setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    fill(a, "b", 1, 4);
    for (uint32_t device = 1; device <= 4; device++) {
        struct sp_puppet *b = bound("b", device, 0);
        sp_rig_run(rig, SP_SECOND);
        switch (device) {
        case 1:
            sp_puppet_send_ack(b, 1, 1);
            break;
        case 2:
            sp_puppet_send_pull(b, 2, 2, 1, 500, true);
            break;
        case 3:
            sp_puppet_send_status(b, 1, 7);
            break;
        default:
            sp_puppet_send_message(b, 1, 0, "a", "bye");
            break;
        }
        sp_rig_run(rig, 2500); /* it has arrived */
        sp_puppet_close(b);
        sp_rig_run(rig, 3 * SP_SECOND);
        sp_puppet_destroy(&b);
    }
    sp_rig_run(rig, 10 * SP_SECOND);
    cr_assert_eq(sp_gateway_sessions(sp_rig_gateway(rig)), (size_t)1, "a alone");
    struct sp_puppet *b = bound("b", 9, 2);
    sp_puppet_send_ack(b, 1, 2);
    cr_assert_eq(ack_a(b, 1)->confirmed.v, 2U);
    sp_puppet_destroy(&b);
    sp_puppet_destroy(&a);
}

/* One statement over more messages than one answer of the store names. */
Test(svc_odd, a_confirm_of_very_many, .init = setup, .fini = teardown)
{
    enum { MANY = SP_STORE_ENTRIES_MAX + 76 };
    struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
    fill(a, "b", 1, MANY);
    size_t got = 0;
    for (uint16_t id = 1; got < MANY; id++) {
        sp_puppet_send_pull(b, id, (uint32_t)got, 1, 500, false);
        (void)sp_puppet_wait(b, SP_KIND_PULL_A, id);
        got = got + 500 < MANY ? got + 500 : MANY;
        (void)sp_puppet_wait(b, SP_KIND_MSG_N, got);
    }
    cr_assert_eq(sp_rig_stats(rig).receipts_delivered, 0U);
    sp_puppet_send_ack(b, 1, MANY);
    cr_assert_eq(ack_a(b, 1)->confirmed.v, (uint32_t)MANY);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).receipts_delivered, (uint64_t)MANY);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

/* Messages that expired before they are read end first; the pull then says so. */
Test(svc_odd, expired_messages_are_skipped_not_sent)
{
    struct sp_rig_config cfg = {
        .seed = 3, .store = "mem:", .net = {.delay_us = 1000}, .gateway = {.message_ttl_s = 100}};
    rig = sp_rig_create(&cfg);
    sp_rig_run(rig, 60 * SP_SECOND);
    struct sp_puppet *a = connected("a", 1);
    fill(a, "b", 1, 3);
    sp_rig_run(rig, 60 * SP_SECOND);
    fill(a, "b", 4, 2);
    sp_rig_run(rig, 60 * SP_SECOND);
    struct sp_puppet *b = connected("b", 1);
    sp_puppet_send_pull(b, 1, 0, 1, 500, true);
    const struct sp_frame_pull_a *f = &sp_puppet_wait(b, SP_KIND_PULL_A, 1)->u.pull_a;
    cr_assert_eq(f->to.v, 5U);
    cr_assert_eq(f->n, 1);
    cr_assert_eq(f->skipped[0].lo, 1U);
    cr_assert_eq(f->skipped[0].hi, 3U);
    cr_assert_eq(f->skipped[0].why, SP_STORE_WHY_EXPIRED);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 2);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(b, SP_KIND_MSG_N), (size_t)2);
    cr_assert_eq(sp_puppet_find(b, SP_KIND_MSG_N, 1)->u.msg_n.seq.v, 4U);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
    sp_rig_destroy(&rig);
}
