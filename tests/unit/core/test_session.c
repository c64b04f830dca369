/* Life of sessions: confirmed, replaced, aged, idle, drained. */
#include "world.h"

Test(session, the_newer_session_of_a_device_replaces_the_older, .init = setup, .fini = teardown)
{
    struct sp_puppet *one = bound("a", 1, 0), *two = connected("a", 1), *other = connected("a", 2);
    sp_rig_run(rig, SP_SECOND);
    cr_assert(one->is_closed);
    cr_assert_eq(one->close.code, SP_CLOSE_REPLACED);
    cr_assert_not(two->is_closed);
    cr_assert_not(other->is_closed);
    cr_assert_eq(sp_gateway_sessions(sp_rig_gateway(rig)), (size_t)2);
    sp_puppet_destroy(&one);
    sp_puppet_destroy(&two);
    sp_puppet_destroy(&other);
}

Test(session, silence_ends_a_session, .init = setup, .fini = teardown)
{
    struct sp_puppet *p = connected("a", 1);
    sp_puppet_destroy(&p); /* the phone is gone without a word */
    sp_rig_run(rig, 80 * SP_SECOND);
    cr_assert_eq(sp_gateway_sessions(sp_rig_gateway(rig)), (size_t)1, "3 x 25 s + 10 s");
    sp_rig_run(rig, 30 * SP_SECOND);
    cr_assert_eq(sp_gateway_sessions(sp_rig_gateway(rig)), (size_t)0);
    cr_assert_eq(sp_rig_stats(rig).sessions_idle, 1U);
}

Test(session, an_old_session_is_closed_as_aged)
{
    struct sp_rig_config cfg = {.seed = 5, .net = {.delay_us = 1000}, .gateway = {.session_life_s = 100}};
    rig = sp_rig_create(&cfg);
    struct sp_puppet *p = connected("a", 1);
    sp_rig_run(rig, 88 * SP_SECOND);
    cr_assert_not(p->is_closed);
    sp_rig_run(rig, 13 * SP_SECOND);
    cr_assert(p->is_closed);
    cr_assert_eq(p->close.code, SP_CLOSE_AGED);
    sp_puppet_destroy(&p);
    sp_rig_destroy(&rig);
}

Test(session, a_closed_session_gives_everything_back, .init = setup, .fini = teardown)
{
    for (uint32_t round = 0; round < 200; round++) { /* more than there are slots */
        struct sp_puppet *p = bound("a", round, 0);
        sp_puppet_send_message(p, 1, 0, "a", "to myself");
        sp_puppet_send_pull(p, 2, 0, 1, 10, true);
        sp_puppet_send_status(p, 1, 1);
        sp_puppet_close(p);
        sp_rig_run(rig, 5 * SP_SECOND);
        sp_puppet_destroy(&p);
    }
    cr_assert_eq(sp_rig_stats(rig).sessions_closed, 200U);
    cr_assert_eq(sp_gateway_sessions(sp_rig_gateway(rig)), (size_t)0);
}

Test(session, data_of_a_closed_session_is_counted, .init = setup, .fini = teardown)
{
    struct sp_puppet *one = connected("a", 1), *two = connected("a", 1);
    struct sp_addr addr = sp_rig_addr(rig, one->endpoint);
    sp_rig_inject(rig, &addr, (struct sp_view){one->sent[1].bytes, one->sent[1].len});
    sp_rig_run(rig, 5 * SP_MS);
    cr_assert_eq(sp_rig_stats(rig).drop_closed, 1U);
    sp_rig_run(rig, 10 * SP_SECOND);
    sp_rig_inject(rig, &addr, (struct sp_view){one->sent[1].bytes, one->sent[1].len});
    sp_rig_run(rig, 5 * SP_MS);
    cr_assert_eq(sp_rig_stats(rig).drop_cid, 1U);
    cr_assert_eq(sp_rig_stats(rig).resets_sent, 1U);
    sp_puppet_destroy(&one);
    sp_puppet_destroy(&two);
}

/* A datagram of random bytes, a truncated one, a replayed one, one of a wrong key, one to an unknown id. */
Test(session, noise_is_counted_and_never_answered, .init = setup, .fini = teardown)
{
    struct sp_puppet *p = connected("a", 1);
    struct sp_addr stranger = {.ip = {192, 0, 2, 9}, .port = 5, .family = 4};
    uint8_t bytes[SP_DATAGRAM_MAX];
    size_t n = p->sent[1].len;
    memset(bytes, 0xa7, sizeof bytes);
    sp_rig_inject(rig, &stranger, (struct sp_view){bytes, 100}); /* no kind of ours */
    sp_rig_inject(rig, &stranger, (struct sp_view){p->sent[1].bytes, 26});
    sp_rig_inject(rig, &stranger, (struct sp_view){p->sent[1].bytes, n}); /* replay */
    memcpy(bytes, p->sent[1].bytes, n);
    bytes[10] += 100; /* another number, so another key stream */
    sp_rig_inject(rig, &stranger, (struct sp_view){bytes, n});
    bytes[5] ^= 1; /* another id, and not one of ours */
    sp_rig_inject(rig, &stranger, (struct sp_view){bytes, n});
    sp_rig_run(rig, SP_SECOND);
    struct sp_stats st = sp_rig_stats(rig);
    cr_assert_eq(st.drop_kind, 1U);
    cr_assert_eq(st.drop_short, 1U);
    cr_assert_eq(st.drop_replay, 1U);
    cr_assert_eq(st.drop_auth, 1U);
    cr_assert_eq(st.drop_cid, 1U);
    uint64_t to, from;
    sp_rig_note_bytes(rig, &stranger, &to, &from);
    cr_assert_eq(to, 0U);
    fill(p, "b", 1, 1);
    sp_puppet_destroy(&p);
}

Test(session, a_violation_closes_with_protocol, .init = setup, .fini = teardown)
{
    struct sp_puppet *p = connected("a", 1);
    uint8_t datagram[64], frames[] = {SP_KIND_STATUS_A, 0, 1}; /* goes down only */
    memcpy(datagram + sp_seal_header(SP_DIR_UP), frames, sizeof frames);
    size_t n = sp_seal_packet(&p->link.seal, p->accept.cid, 200, datagram, sizeof frames);
    struct sp_addr addr = sp_rig_addr(rig, p->endpoint);
    sp_rig_inject(rig, &addr, (struct sp_view){datagram, n});
    sp_rig_run(rig, SP_SECOND);
    cr_assert(p->is_closed);
    cr_assert_eq(p->close.code, SP_CLOSE_PROTOCOL);
    cr_assert_eq(p->close.cause, SP_KIND_STATUS_A);
    cr_assert_eq(sp_rig_stats(rig).sessions_violated, 1U);
    sp_puppet_destroy(&p);
}
