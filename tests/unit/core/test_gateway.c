/* The composition: create, drain, deadlines, faults of the store. */
#include "world.h"

#include "crypto_sodium.h"

#include <stdio.h>

Test(gateway, refuses_a_wrong_configuration)
{
    struct sp_store *st = NULL;
    struct sp_store_port *port = NULL;
    struct sp_gateway *g = NULL;
    cr_assert_eq(sp_store_open(&st, "mem:", NULL), 0);
    cr_assert_eq(sp_store_attach(st, &port), 0);
    struct sp_gateway_config good = {
        .crypto = sp_crypto_sodium(), .keys = {.tokens = {.n = 1}}, .sessions_max = 1};
    struct sp_gateway_config bad[] = {good, good, good, good, good};
    bad[0].crypto = NULL;
    bad[1].keys.tokens.n = 0;
    bad[2].sessions_max = 0;
    bad[3].sessions_max = SP_CONF_SESSIONS_MAX + 1;
    bad[4].keys.tokens.n = 3;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(sp_gateway_create(&g, &bad[i], port, 0), SP_EINVAL, "row %zu", i);
    cr_assert_eq(sp_gateway_create(&g, &good, NULL, 0), SP_EINVAL);
    cr_assert_null(g);
    cr_assert_eq(sp_gateway_create(&g, &good, port, -5), 0);
    cr_assert_eq(sp_gateway_deadline(g), SP_NEVER, "nothing to do");
    cr_assert_not(sp_gateway_is_drained(g));
    sp_gateway_destroy(&g);
    cr_assert_null(g);
    sp_gateway_destroy(&g);
    sp_store_close(&st);
}

static bool is_drained(void *self)
{
    (void)self;
    return sp_gateway_is_drained(sp_rig_gateway(rig));
}

Test(gateway, drains, .init = setup, .fini = teardown)
{
    struct sp_puppet *p[10];
    for (uint32_t i = 0; i < 10; i++)
        p[i] = bound("a", i, 0);
    sp_puppet_send_message(p[0], 1, 0, "b", "x");
    sp_gateway_drain(sp_rig_gateway(rig), 30, sp_rig_now(rig));
    sp_rig_poke(rig, p[0]->endpoint);
    cr_assert_not(sp_gateway_is_drained(sp_rig_gateway(rig)));
    struct sp_puppet *late = sp_puppet_create(rig, "a", 99, 3);
    sp_puppet_init(late);
    cr_assert(sp_rig_run_until(rig, is_drained, NULL, 10 * SP_SECOND));
    cr_assert_eq(late->accepts, 0U);
    cr_assert_eq(sp_rig_stats(rig).drop_init_draining, 1U);
    uint16_t most = 0;
    sp_rig_run(rig, SP_SECOND);
    for (uint32_t i = 0; i < 10; i++) {
        cr_assert(p[i]->is_closed);
        cr_assert_eq(p[i]->close.code, SP_CLOSE_GOING_AWAY);
        cr_assert_leq(p[i]->close.retry, 300);
        most = p[i]->close.retry > most ? p[i]->close.retry : most;
        sp_puppet_destroy(&p[i]);
    }
    cr_assert_gt(most, 30, "they do not all come back at once");
    sp_puppet_destroy(&late);
}

static const struct sp_frame_msg_n *notice(const struct sp_puppet *p, uint32_t seq)
{
    for (size_t i = 0; i < p->frames_n; i++) {
        const struct sp_frame *f = &p->frames[i]->frame;
        if (f->kind == SP_KIND_MSG_N && f->u.msg_n.seq.v == seq)
            return &f->u.msg_n;
    }
    return NULL;
}

/* Answers of the store that are late, out of order, lost or failed: a client that repeats gets every message
 * in at last, once and in its order. */
Test(gateway, survives_a_bad_store)
{
    for (unsigned seed = 1; seed <= 10; seed++) {
        char url[32];
        (void)snprintf(url, sizeof url, "fault:%u:mem:", seed);
        struct sp_store_config limits = {
            .faults = {.set = true, .lost = 200, .failed = 200, .busy = 50, .max_delay_us = 50 * SP_MS}};
        start_world(url, &limits);
        struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
        for (uint16_t round = 1; round <= 50 && notice(b, 40) == NULL; round++) {
            sp_puppet_send_pull(b, round, 0, 1, 500, false);
            for (uint64_t id = 1; id <= 40; id++)
                sp_puppet_send_message(a, id, id - 1, "b", "x");
            sp_rig_run(rig, 2 * SP_SECOND);
        }
        struct sp_stats st = sp_rig_stats(rig);
        cr_assert_eq(st.messages_refused, 0U);
        cr_assert_leq(st.messages_stored, 40U);
        cr_assert_gt(st.messages_unknown, 0U);
        for (uint32_t seq = 1; seq <= 40; seq++) {
            cr_assert_not_null(notice(b, seq), "seed %u, seq %u", seed, seq);
            cr_assert_eq(notice(b, seq)->msgid.v, (uint64_t)seq, "seed %u", seed);
        }
        cr_assert_null(notice(b, 41));
        sp_puppet_destroy(&a);
        sp_puppet_destroy(&b);
        teardown();
    }
}

Test(gateway, wall_time_may_jump, .init = setup, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    sp_gateway_wall(sp_rig_gateway(rig), INT64_C(1600000000000000), sp_rig_now(rig));
    fill(a, "b", 1, 1);
    sp_gateway_wall(sp_rig_gateway(rig), INT64_C(1900000000000000), sp_rig_now(rig));
    fill(a, "b", 2, 1);
    sp_gateway_wall(sp_rig_gateway(rig), -1, sp_rig_now(rig));
    fill(a, "b", 3, 1);
    sp_puppet_destroy(&a);
}

Test(gateway, new_token_keys_count_for_new_sessions_only, .init = setup, .fini = teardown)
{
    struct sp_gateway *g = sp_rig_gateway(rig);
    struct sp_puppet *before = bound("a", 1, 0);
    struct sp_gateway_change change = {
        .tokens = {.n = 1, .of = {{.kid = 200}}}, .message_ttl_s = 60, .session_life_s = 3600};
    struct sp_gateway_change bad[] = {change, change, change, change};
    bad[0].tokens.n = 0;
    bad[1].tokens.n = 3;
    bad[2].message_ttl_s = 0;
    bad[3].session_life_s = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(sp_gateway_change(g, &bad[i]), SP_EINVAL, "row %zu", i);
    struct sp_puppet *between = bound("b", 1, 0);
    cr_assert_eq(between->accepts, 1U);
    cr_assert_eq(sp_gateway_change(g, &change), 0);
    struct sp_puppet *after = sp_puppet_create(rig, "c", 1, 3);
    sp_puppet_init(after);
    sp_puppet_send_message(before, 1, 0, "b", "x");
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(after->accepts, 0U);
    cr_assert_eq(sp_rig_stats(rig).drop_init_token, 1U);
    cr_assert_eq(sp_rig_stats(rig).messages_stored, 1U);
    sp_puppet_destroy(&after);
    sp_puppet_destroy(&between);
    sp_puppet_destroy(&before);
}

Test(gateway, takes_over_what_may_change, .init = setup, .fini = teardown)
{
    struct sp_gateway *g = sp_rig_gateway(rig);
    struct sp_gateway_change good = {
        .tokens = sp_rig_keys(rig)->tokens, .message_ttl_s = 5, .session_life_s = 100};
    struct sp_gateway_change bad[] = {good, good, good};
    bad[0].tokens.n = 0;
    bad[1].message_ttl_s = 0;
    bad[2].session_life_s = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(sp_gateway_change(g, &bad[i]), SP_EINVAL, "row %zu", i);
    struct sp_puppet *a = connected("a", 1);
    cr_assert_eq(sp_gateway_change(g, &good), 0);
    fill(a, "b", 1, 1);
    struct sp_puppet *c = connected("c", 1);
    sp_rig_run(rig, 6 * SP_SECOND);
    struct sp_puppet *b = bound("b", 1, 0);
    cr_assert_eq(sp_puppet_find(b, SP_KIND_PULL_A, 1)->u.pull_a.skipped[0].why, SP_WHY_EXPIRED);
    sp_rig_run(rig, 100 * SP_SECOND);
    cr_assert_not(a->is_closed, "what exists keeps what it has");
    cr_assert(c->is_closed);
    cr_assert_eq(c->close.code, SP_CLOSE_AGED);
    good.tokens.of[0].key[0] ^= 1;
    cr_assert_eq(sp_gateway_change(g, &good), 0);
    sp_puppet_init(c);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).drop_init_token, 1U, "the old key is gone");
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
    sp_puppet_destroy(&c);
}
