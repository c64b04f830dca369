/* The client library as an app uses it, in virtual time against a small gateway. */
#include "world.h"

#define ANN 0
#define BOB 1

Test(client, six_reports)
{
    struct world *w = world_online();
    world_run(w, SP_SECOND);
    struct sp_msgid id = world_send(w, ANN, "bob", "hello");
    sp_time since = w->now;
    WORLD_UNTIL(w, SP_SECOND, world_state(w, ANN, id) >= SP_STATE_ACCEPTED);
    cr_expect_leq(w->now - since, 105 * SP_MS, "one round trip");
    WORLD_UNTIL(w, SP_SECOND, w->phones[BOB].got_n == 1);
    cr_expect_leq(w->now - since, 105 * SP_MS);
    cr_expect_str_eq(w->phones[BOB].got[0].body, "hello");
    cr_expect_str_eq(w->phones[BOB].got[0].from, "ann");
    WORLD_UNTIL(w, SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    cr_expect_leq(w->now - since, 230 * SP_MS, "two round trips and 20 ms of gathering");
    cr_expect_eq(w->gate.msgs, 1);
    cr_expect_eq(sp_client_waiting(w->phones[ANN].client), 0);
    world_run(w, 2 * SP_SECOND);
    cr_expect_eq(w->gate.floors[0], id.v, "DONE");
    cr_expect(sp_client_is_settled(w->phones[BOB].client));
    world_destroy(w);
}

Test(client, four_reports)
{
    struct world *w = world_online();
    struct sp_msgid id;
    struct sp_outgoing m = {
        .to = {(const uint8_t *)"bob", 3}, .body = {(const uint8_t *)"x", 1}, .flags = SP_OUT_FOUR};
    cr_assert_eq(sp_client_submit(w->phones[ANN].client, &m, &id, w->now), 0);
    WORLD_UNTIL(w, 5 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    world_run(w, 20 * SP_SECOND);
    cr_expect_eq(w->gate.msgs, 1);
    cr_expect_eq(w->gate.statuses, 0);
    cr_expect(sp_client_is_settled(w->phones[BOB].client));
    world_destroy(w);
}

Test(client, a_quiet_session_stays_quiet)
{
    struct world *w = world_online();
    world_run(w, 5 * SP_SECOND);
    uint64_t before = w->sent_up;
    world_run(w, 120 * SP_SECOND);
    cr_expect_leq(w->sent_up - before, 2U * 2 * (120 / 20 + 1), "keepalives and little else: %lu",
                  (unsigned long)(w->sent_up - before));
    cr_expect_eq(w->phones[ANN].offline, 0);
    world_destroy(w);
}

Test(client, absent_recipient_pulls_later)
{
    struct world *w = world_create();
    struct sp_msgid last = {0};
    world_start(w, ANN);
    for (int i = 0; i < 700; i++)
        last = world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, 60 * SP_SECOND, world_state(w, ANN, last) == SP_STATE_STORED);
    cr_expect_eq(w->phones[ANN].state[1], SP_STATE_STORED);
    world_start(w, BOB);
    WORLD_UNTIL(w, 60 * SP_SECOND, w->phones[BOB].got_n == 700);
    WORLD_UNTIL(w, 5 * SP_SECOND, world_state(w, ANN, last) == SP_STATE_DELIVERED);
    cr_expect_leq(world_stats(w, BOB).pulls, 6U, "batches of 256");
    cr_expect_eq(w->phones[BOB].resyncs, 0, "the first epoch is no news");
    world_destroy(w);
}

Test(client, lost_ack_n_is_learned_by_status)
{
    struct world *w = world_online();
    world_run(w, SP_SECOND);
    w->gate.is_mute_ack_n = true;
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, SP_SECOND, world_state(w, ANN, id) == SP_STATE_ACCEPTED);
    world_run(w, 30 * SP_SECOND);
    cr_expect_eq(world_state(w, ANN, id), SP_STATE_ACCEPTED);
    WORLD_UNTIL(w, 60 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    cr_expect_eq(w->gate.statuses, 1);
    world_destroy(w);
}

Test(client, lost_session_brings_the_state_at_once)
{
    struct world *w = world_online();
    w->gate.is_mute_ack_n = true;
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    world_run(w, 5 * SP_SECOND);
    gate_restart(&w->gate);
    (void)world_send(w, ANN, "bob", "y");
    WORLD_UNTIL(w, 5 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    world_destroy(w);
}

Test(client, swallowed_message_is_asked_about_and_sent_again)
{
    struct world *w = world_online();
    w->gate.swallow = 1;
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, 5 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    cr_expect_eq(w->gate.msgs, 2);
    cr_expect_eq(w->gate.statuses, 1);
    cr_expect_eq(w->phones[BOB].got_n, 1);
    world_destroy(w);
}

Test(client, busy_keeps_the_order)
{
    struct world *w = world_online();
    char body[8];
    w->gate.busy = 7;
    for (int i = 0; i < 20; i++) {
        (void)snprintf(body, sizeof body, "%d", i);
        (void)world_send(w, ANN, "bob", body);
    }
    WORLD_UNTIL(w, 30 * SP_SECOND, w->phones[BOB].got_n == 20);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(body, sizeof body, "%d", i);
        cr_expect_str_eq(w->phones[BOB].got[i].body, body);
    }
    world_destroy(w);
}

Test(client, refusal_is_final_and_others_go_on)
{
    struct world *w = world_online();
    w->gate.refuse = SP_CODE_QUOTA;
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, SP_SECOND, world_state(w, ANN, id) == 100);
    cr_expect_eq(w->phones[ANN].fail_code, SP_CODE_QUOTA);
    w->gate.refuse = 0;
    struct sp_msgid other = world_send(w, ANN, "nobody", "x");
    id = world_send(w, ANN, "bob", "y");
    WORLD_UNTIL(w, SP_SECOND, world_state(w, ANN, other) == 100);
    cr_expect_eq(w->phones[ANN].fail_code, SP_CODE_NO_USER);
    WORLD_UNTIL(w, SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    cr_expect_eq(w->phones[BOB].got_n, 1);
    world_destroy(w);
}

Test(client, gateway_restart_meets_reset)
{
    struct world *w = world_online();
    (void)world_send(w, ANN, "bob", "before");
    world_run(w, 3 * SP_SECOND);
    gate_restart(&w->gate);
    struct sp_msgid id = world_send(w, ANN, "bob", "after");
    sp_time since = w->now;
    WORLD_UNTIL(w, 3 * SP_SECOND, world_state(w, ANN, id) >= SP_STATE_ACCEPTED);
    cr_expect_leq(w->now - since, 310 * SP_MS, "RESET, INIT and the message: three round trips");
    cr_expect_eq(w->gate.resets, 1);
    cr_expect_eq(world_stats(w, ANN).handshakes, 2);
    cr_expect_eq(w->phones[ANN].offline, 1);
    cr_expect_eq(w->phones[ANN].last_offline, -1);
    WORLD_UNTIL(w, 60 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    cr_expect_eq(w->phones[BOB].got_n, 2);
    world_destroy(w);
}

Test(client, a_reset_of_another_is_ignored)
{
    struct world *w = world_online();
    uint8_t reset[SP_RESET_LEN], token[16] = {1, 2, 3};
    struct sp_client *c = w->phones[ANN].client;
    cr_expect_eq(sp_client_receive(c, reset, mint_reset(token, reset), w->now), SP_EAUTH);
    cr_expect_eq(sp_client_receive(c, reset, SP_RESET_LEN - 1, w->now), SP_EMALFORMED);
    world_run(w, SP_SECOND);
    cr_expect_eq(world_stats(w, ANN).handshakes, 1);
    world_destroy(w);
}

Test(client, garbage_is_counted_and_harmless)
{
    struct world *w = world_online();
    struct sp_client *c = w->phones[ANN].client;
    uint8_t p[SP_DATAGRAM_MAX + 1];
    unsigned bad = 0;
    for (unsigned first = 0; first < 256; first++)
        for (size_t len = 0; len <= sizeof p; len += 1 + len) {
            for (size_t i = 0; i < len; i++)
                p[i] = (uint8_t)world_draw(w, 256);
            p[0] = (uint8_t)first;
            cr_expect_neq(sp_client_receive(c, p, len, w->now), 0);
            bad++;
        }
    cr_expect_eq(world_stats(w, ANN).datagrams_bad, bad);
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    world_destroy(w);
}

Test(client, retry_exchange)
{
    struct world *w = world_create();
    w->gate.wants_cookie = true;
    world_start(w, ANN);
    sp_time since = w->now;
    WORLD_UNTIL(w, 5 * SP_SECOND, w->phones[ANN].online > 0);
    cr_expect_leq(w->now - since, 310 * SP_MS, "one round trip more");
    cr_expect_eq(w->gate.retries, 1);
    cr_expect_eq(w->gate.cookies, 1);
    world_destroy(w);
}

Test(client, epoch_change_resyncs)
{
    struct world *w = world_online();
    (void)world_send(w, ANN, "bob", "1");
    (void)world_send(w, ANN, "bob", "2");
    WORLD_UNTIL(w, 5 * SP_SECOND, w->phones[BOB].got_n == 2);
    world_run(w, SP_SECOND);
    /* A restore: the mailbox is an older one with another epoch. */
    gate_restart(&w->gate);
    w->gate.boxes[BOB].epoch += 500;
    w->gate.boxes[BOB].head = w->gate.boxes[BOB].confirmed = 1;
    struct sp_msgid id = world_send(w, ANN, "bob", "3");
    WORLD_UNTIL(w, 60 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    cr_expect_eq(w->phones[BOB].resyncs, 1);
    cr_expect_eq(w->phones[BOB].got_n, 3);
    cr_expect_eq(w->phones[BOB].got[2].seq, 2);
    cr_expect_str_eq(w->phones[BOB].got[2].body, "3");
    cr_expect_eq(w->phones[BOB].local.disk->state.epoch.v, w->gate.boxes[BOB].epoch);
    world_destroy(w);
}

Test(client, dark_link_is_told_and_comes_back_with_the_same_session)
{
    struct world *w = world_online();
    world_run(w, SP_SECOND);
    w->is_dark[ANN] = true;
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, 10 * SP_SECOND, w->phones[ANN].offline == 1);
    cr_expect_eq(w->phones[ANN].last_offline, -1);
    world_run(w, 2 * SP_SECOND);
    w->is_dark[ANN] = false;
    WORLD_UNTIL(w, 20 * SP_SECOND, w->phones[ANN].online == 2);
    WORLD_UNTIL(w, 5 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    cr_expect_eq(w->gate.boxes[BOB].head, 1);
    world_destroy(w);
}

Test(client, dark_link_and_a_new_gateway)
{
    /* The session died with the gateway while the phone heard nothing: the INIT beside it finds the new one.
     */
    struct world *w = world_online();
    world_run(w, SP_SECOND);
    w->is_dark[ANN] = w->is_gate_down = true;
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    world_run(w, 40 * SP_SECOND);
    gate_restart(&w->gate);
    w->is_dark[ANN] = w->is_gate_down = false;
    WORLD_UNTIL(w, 60 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    cr_expect_eq(w->phones[BOB].got_n, 1);
    world_destroy(w);
}

Test(client, dark_because_the_gateway_forgot)
{
    /* No RESET comes: only the single INITs beside the dark session find out. */
    struct world *w = world_online();
    world_run(w, SP_SECOND);
    uint64_t before = world_stats(w, ANN).packets_sent;
    w->gate.is_mute_reset = true;
    gate_restart(&w->gate);
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, 20 * SP_SECOND, world_state(w, ANN, id) >= SP_STATE_ACCEPTED);
    cr_expect_eq(w->phones[ANN].offline, 1);
    cr_expect_eq(world_stats(w, ANN).handshakes, 2);
    cr_expect_gt(world_stats(w, ANN).packets_sent, before, "what the old link counted is not lost");
    WORLD_UNTIL(w, 120 * SP_SECOND, w->phones[BOB].got_n == 1);
    world_destroy(w);
}

/* A client that changes its session again and again gives back all that a session takes. */
Test(client, many_sessions)
{
    struct world *w = world_online();
    w->gate.is_mute_reset = true;
    for (int i = 0; i < 30; i++) {
        for (int k = 0; k < 20; k++)
            (void)world_send(w, ANN, "bob", "x");
        world_run(w, 60 * SP_MS);
        gate_restart(&w->gate);
        WORLD_UNTIL(w, 60 * SP_SECOND, world_stats(w, ANN).handshakes == (uint64_t)i + 2);
        WORLD_UNTIL(w, 5 * SP_SECOND, w->phones[ANN].state[20 * (i + 1)] >= SP_STATE_ACCEPTED);
    }
    WORLD_UNTIL(w, 120 * SP_SECOND, w->phones[BOB].got_n == 600);
    world_destroy(w);
}

Test(client, nobody_answers)
{
    struct world *w = world_create();
    w->is_gate_down = true;
    world_start(w, ANN);
    (void)world_send(w, ANN, "bob", "x");
    world_run(w, 120 * SP_SECOND);
    cr_expect_geq(w->sent_up, 28U);
    cr_expect_leq(w->sent_up, 48U, "four INITs each 15 s: %lu", (unsigned long)w->sent_up);
    cr_expect_eq(w->phones[ANN].offline, 0);
    cr_expect_eq(w->phones[ANN].tokens, 0);
    w->is_gate_down = false;
    WORLD_UNTIL(w, 20 * SP_SECOND, w->phones[ANN].online == 1);
    world_destroy(w);
}

/* The gateway closes the session of a user. */
static void close_session(struct world *w, unsigned user, enum sp_close code, uint16_t retry)
{
    struct gate_session *s = gate_session_of(&w->gate, user);
    cr_assert_not_null(s);
    sp_link_close(&s->link, code, retry, w->now);
}

Test(client, what_a_close_means)
{
    static const struct {
        enum sp_close code;
        uint16_t retry;
        sp_time least, most; /* until the next session; 0: never */
    } t[] = {
        {SP_CLOSE_REPLACED, 0, 0, 0},
        {SP_CLOSE_REVOKED, 0, 0, 0},
        {SP_CLOSE_GOING_AWAY, 30, 3 * SP_SECOND, 6 * SP_SECOND},
        {SP_CLOSE_BUSY, 20, 2 * SP_SECOND, 4 * SP_SECOND},
        {SP_CLOSE_AGED, 0, 0, 1},
        {SP_CLOSE_IDLE, 0, 3200 * SP_MS, 4800 * SP_MS},
        {SP_CLOSE_PROTOCOL, 0, 3200 * SP_MS, 4800 * SP_MS},
        {SP_CLOSE_LIMIT, 0, 3200 * SP_MS, 4800 * SP_MS},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct world *w = world_online();
        world_run(w, SP_SECOND);
        close_session(w, ANN, t[i].code, t[i].retry);
        WORLD_UNTIL(w, SP_SECOND, w->phones[ANN].offline == 1);
        cr_expect_eq(w->phones[ANN].last_offline, (int)t[i].code);
        sp_time since = w->now;
        if (t[i].most == 0) {
            (void)world_send(w, ANN, "bob", "x");
            world_run(w, 300 * SP_SECOND);
            cr_expect_eq(w->phones[ANN].online, 1, "row %zu", i);
            uint8_t blob[SP_BLOB_MAX];
            uint32_t issued = (uint32_t)(WORLD_UNIX + w->now / SP_SECOND);
            size_t len = mint_blob(&w->gate.mint, "ann", issued, 600, 1, blob, sizeof blob);
            cr_expect_eq(sp_client_token(w->phones[ANN].client, (struct sp_view){blob, len}, w->now), 0);
            WORLD_UNTIL(w, SP_SECOND, w->phones[ANN].online == 2);
        } else {
            WORLD_UNTIL(w, 20 * SP_SECOND, w->phones[ANN].online == 2);
            cr_expect_geq(w->now - since, t[i].least, "row %zu", i);
            cr_expect_leq(w->now - since, t[i].most + 210 * SP_MS, "row %zu: %ld", i, (long)(w->now - since));
        }
        world_destroy(w);
    }
}

Test(client, a_newer_session_of_the_device_replaces)
{
    struct world *w = world_online();
    world_kill(w, BOB);
    w->phones[BOB].user = "ann"; /* the same user and device from elsewhere */
    w->phones[BOB].online = 0;
    world_start(w, BOB);
    WORLD_UNTIL(w, 5 * SP_SECOND, w->phones[ANN].offline == 1);
    cr_expect_eq(w->phones[ANN].last_offline, SP_CLOSE_REPLACED);
    world_run(w, 60 * SP_SECOND);
    cr_expect_eq(w->phones[ANN].online, 1, "they do not take it from each other for ever");
    cr_expect_eq(w->phones[BOB].offline, 0);
    world_destroy(w);
}

Test(client, goodbye)
{
    struct world *w = world_online();
    sp_client_close(w->phones[ANN].client, w->now);
    struct sp_msgid id;
    struct sp_outgoing m = {.to = {(const uint8_t *)"bob", 3}, .body = {(const uint8_t *)"x", 1}};
    cr_expect_eq(sp_client_submit(w->phones[ANN].client, &m, &id, w->now), SP_ECLOSED);
    uint64_t before = w->sent_up;
    world_run(w, SP_SECOND);
    cr_expect_eq(w->gate.closes, 1);
    cr_expect_eq(w->gate.last_close, SP_CLOSE_BYE);
    before = w->sent_up;
    world_run(w, 60 * SP_SECOND);
    cr_expect_leq(w->sent_up - before, 10U, "only bob's keepalives");
    cr_expect_eq(sp_client_deadline(w->phones[ANN].client), SP_NEVER);
    world_destroy(w);
}

Test(client, an_expired_token_is_asked_for)
{
    struct world *w = world_create();
    struct phone *p = &w->phones[ANN];
    uint8_t blob[SP_BLOB_MAX];
    struct sp_client_config cfg = world_config(w, p, blob, 60);
    size_t len = sp_client_footprint(&cfg);
    p->mem = malloc(len);
    cr_assert_eq(sp_client_init(&p->client, p->mem, len, &cfg, w->now), 0);
    WORLD_UNTIL(w, 5 * SP_SECOND, p->online == 1);
    world_run(w, 100 * SP_SECOND);
    cr_expect_eq(p->tokens, 0, "a session outlives its token (ruling 19)");
    gate_restart(&w->gate);
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, 5 * SP_SECOND, p->tokens == 1);
    uint64_t before = w->sent_up;
    world_run(w, 100 * SP_SECOND);
    cr_expect_eq(w->sent_up, before, "nothing to knock with");
    uint8_t fresh[SP_BLOB_MAX];
    size_t fresh_len = mint_blob(&w->gate.mint, "ann", (uint32_t)(WORLD_UNIX + w->now / SP_SECOND), 60, 1,
                                 fresh, sizeof fresh);
    cr_expect_eq(sp_client_token(p->client, (struct sp_view){fresh, fresh_len - 1}, w->now), SP_EMALFORMED);
    cr_expect_eq(sp_client_token(p->client, (struct sp_view){fresh, fresh_len}, w->now), 0);
    WORLD_UNTIL(w, SP_SECOND, world_state(w, ANN, id) >= SP_STATE_ACCEPTED);
    world_destroy(w);
}

Test(client, a_sender_only_never_pulls)
{
    struct world *w = world_create();
    w->phones[BOB].receives = false;
    world_start(w, ANN);
    world_start(w, BOB);
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    world_run(w, 30 * SP_SECOND);
    cr_expect_eq(world_state(w, ANN, id), SP_STATE_STORED);
    cr_expect_eq(world_stats(w, BOB).pulls, 0);
    cr_expect_eq(w->phones[BOB].got_n, 0);
    id = world_send(w, BOB, "ann", "y");
    WORLD_UNTIL(w, SP_SECOND, world_state(w, BOB, id) == SP_STATE_DELIVERED);
    world_destroy(w);
}

Test(client, tips_are_followed)
{
    struct world *w = world_online();
    w->gate.early_tip_from = 3;
    w->phones[BOB].keeps_nothing = true;
    for (int i = 0; i < 40; i++)
        (void)world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, 10 * SP_SECOND, w->phones[BOB].got_n == 40);
    world_destroy(w);
}

Test(client, refused_cursor_is_recovered)
{
    struct world *w = world_online();
    w->gate.refuse_acks = 2;
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, 30 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    cr_expect_eq(w->phones[BOB].got_n, 1);
    cr_expect_geq(world_stats(w, BOB).duplicates, 1U);
    world_destroy(w);
}

Test(client, slow_app_is_held_not_lost)
{
    struct world *w = world_online();
    char body[16];
    w->phones[BOB].is_lazy = true;
    for (int i = 0; i < 900; i++) {
        (void)snprintf(body, sizeof body, "%d", i);
        (void)world_send(w, ANN, "bob", body);
    }
    world_run(w, 60 * SP_SECOND);
    cr_expect_leq(world_stats(w, BOB).inbox, 256U);
    cr_expect_leq(world_stats(w, BOB).pulls, 20U, "a full inbox pulls nothing");
    w->phones[BOB].is_lazy = false;
    WORLD_UNTIL(w, 60 * SP_SECOND, w->phones[BOB].got_n == 900);
    for (int i = 0; i < 900; i++) {
        (void)snprintf(body, sizeof body, "%d", i);
        cr_assert_str_eq(w->phones[BOB].got[i].body, body);
    }
    world_destroy(w);
}

Test(client, storage_that_fails_for_a_while)
{
    struct world *w = world_online();
    world_run(w, SP_SECOND);
    w->phones[ANN].local.is_broken = true;
    struct sp_msgid id;
    struct sp_outgoing m = {.to = {(const uint8_t *)"bob", 3}, .body = {(const uint8_t *)"x", 1}};
    cr_expect_eq(sp_client_submit(w->phones[ANN].client, &m, &id, w->now), SP_EIO);
    world_run(w, 2 * SP_SECOND);
    w->phones[ANN].local.is_broken = false;
    id = world_send(w, ANN, "bob", "x");
    w->phones[ANN].local.is_broken = true;
    world_run(w, 60 * SP_SECOND);
    cr_expect_eq(w->phones[ANN].errors, 1, "told once");
    cr_expect_eq(w->phones[ANN].last_error, SP_EIO);
    cr_expect_eq(w->gate.msgs, 0, "nothing that is not durable has left");
    cr_expect_eq(w->phones[ANN].offline, 0, "the session lives on");
    w->phones[ANN].local.is_broken = false;
    WORLD_UNTIL(w, 5 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    world_destroy(w);
}

Test(client, transmit_names_the_failure_once)
{
    struct world *w = world_online();
    uint8_t buf[SP_DATAGRAM_MAX];
    struct sp_datagram out = {.p = buf, .cap = sizeof buf};
    world_run(w, SP_SECOND);
    (void)world_send(w, ANN, "bob", "x");
    w->phones[ANN].local.fail_in = 2; /* the row is written, the sync fails */
    cr_expect_eq(sp_client_transmit(w->phones[ANN].client, &out, w->now), SP_EIO);
    cr_expect_eq(sp_client_transmit(w->phones[ANN].client, &out, w->now), SP_EAGAIN);
    out.cap = SP_DATAGRAM_MAX - 1;
    cr_expect_eq(sp_client_transmit(w->phones[ANN].client, &out, w->now), SP_EINVAL);
    world_destroy(w);
}

Test(client, the_app_asks_for_a_state)
{
    struct world *w = world_online();
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, 5 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    cr_expect_eq(sp_client_status(w->phones[ANN].client, id, w->now), 0);
    WORLD_UNTIL(w, SP_SECOND, w->phones[ANN].status.msgid.v == id.v);
    cr_expect_eq(w->phones[ANN].status.state, SP_STATE_DELIVERED);
    cr_expect_eq(w->phones[ANN].status.seq.v, 1);
    cr_expect_eq(sp_client_status(w->phones[ANN].client, (struct sp_msgid){12345}, w->now), 0);
    WORLD_UNTIL(w, SP_SECOND, w->phones[ANN].status.msgid.v == 12345);
    cr_expect_eq(w->phones[ANN].status.state, SP_STATE_UNKNOWN);
    world_destroy(w);
}

Test(client, forget_makes_room)
{
    struct world *w = world_online();
    world_kill(w, BOB);
    struct sp_msgid id = world_send(w, ANN, "bob", "x");
    cr_expect_eq(sp_client_forget(w->phones[ANN].client, id, w->now), SP_EAGAIN);
    WORLD_UNTIL(w, 5 * SP_SECOND, world_state(w, ANN, id) >= SP_STATE_ACCEPTED);
    cr_expect_eq(sp_client_forget(w->phones[ANN].client, id, w->now), 0);
    cr_expect_eq(sp_client_waiting(w->phones[ANN].client), 0);
    world_destroy(w);
}

Test(client, a_new_network_is_probed_at_once)
{
    struct world *w = world_online();
    world_run(w, 2 * SP_SECOND);
    uint64_t before = w->sent_up;
    sp_client_network(w->phones[ANN].client, 7, w->now);
    world_run(w, 10 * SP_MS);
    cr_expect_eq(w->sent_up, before + 1);
    sp_client_network(w->phones[ANN].client, 7, w->now);
    world_run(w, 10 * SP_MS);
    cr_expect_eq(w->sent_up, before + 1, "the same network is no news");
    w->is_gate_down = true;
    gate_restart(&w->gate);
    world_destroy(w);

    w = world_create();
    w->is_gate_down = true;
    world_start(w, ANN);
    world_run(w, 60 * SP_SECOND);
    w->is_gate_down = false;
    sp_client_network(w->phones[ANN].client, 8, w->now);
    WORLD_UNTIL(w, 300 * SP_MS, w->phones[ANN].online == 1);
    world_destroy(w);
}

Test(client, configuration_is_checked)
{
    struct world *w = world_create();
    struct phone *p = &w->phones[ANN];
    uint8_t blob[SP_BLOB_MAX];
    const struct sp_client_config good = world_config(w, p, blob, 60);
    struct sp_client_config cfg = good;
    struct sp_client *c = NULL;
    size_t len = sp_client_footprint(&good);
    void *mem = malloc(len);
    cr_assert_not_null(mem);
    cr_expect_eq(sp_client_init(&c, mem, len - 1, &good, 0), SP_EINVAL);
    cfg.crypto = NULL;
    cr_expect_eq(sp_client_init(&c, mem, len, &cfg, 0), SP_EINVAL);
    cfg = good;
    cfg.local = NULL;
    cr_expect_eq(sp_client_init(&c, mem, len, &cfg, 0), SP_EINVAL);
    cfg = good;
    cfg.blob.n--;
    cr_expect_eq(sp_client_init(&c, mem, len, &cfg, 0), SP_EMALFORMED);
    blob[0]++;
    cr_expect_eq(sp_client_init(&c, mem, len, &good, 0), SP_EVERSION);
    blob[0]--;
    p->local.is_broken = true;
    cr_expect_eq(sp_client_init(&c, mem, len, &good, 0), SP_EIO);
    p->local.is_broken = false;
    cr_expect_null(c);
    static const struct {
        size_t user_n;
        uint32_t outbox;
        uint16_t inbox, keepalive;
        bool good;
    } t[] = {{3, 0, 0, 0, true},          {0, 0, 0, 0, false},     {SP_USER_MAX + 1, 0, 0, 0, false},
             {3, 65536, 4096, 600, true}, {3, 65537, 0, 0, false}, {3, 0, 4097, 0, false},
             {3, 1, 1, 15, true},         {3, 0, 0, 14, false},    {3, 0, 0, 601, false}};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        cfg = good;
        cfg.user.id.n = t[i].user_n;
        cfg.outbox_max = t[i].outbox;
        cfg.inbox_max = t[i].inbox;
        cfg.keepalive_s = t[i].keepalive;
        cr_expect_eq(sp_client_footprint(&cfg) != 0, t[i].good, "row %zu", i);
    }
    free(mem);
    world_destroy(w);
}

Test(client, the_smallest_client_works)
{
    struct world *w = world_create();
    struct phone *p = &w->phones[BOB];
    uint8_t blob[SP_BLOB_MAX];
    struct sp_client_config cfg = world_config(w, p, blob, 6000);
    cfg.inbox_max = 1;
    cfg.outbox_max = 1;
    size_t len = sp_client_footprint(&cfg);
    p->mem = malloc(len);
    cr_assert_eq(sp_client_init(&p->client, p->mem, len, &cfg, w->now), 0);
    world_start(w, ANN);
    for (int i = 0; i < 20; i++)
        (void)world_send(w, ANN, "bob", "x");
    WORLD_UNTIL(w, 60 * SP_SECOND, p->got_n == 20);
    struct sp_msgid id = world_send(w, BOB, "ann", "y");
    WORLD_UNTIL(w, 5 * SP_SECOND, world_state(w, BOB, id) == SP_STATE_DELIVERED);
    world_destroy(w);
}

/* Bodies of one sender in the order of their numbers, without loss or double. */
static void expect_all(const struct phone *p, const char *from, int n)
{
    int next = 0;
    for (size_t i = 0; i < p->got_n; i++) {
        if (strcmp(p->got[i].from, from) != 0)
            continue;
        cr_assert_eq(atoi(p->got[i].body), next, "%s got %s instead of %d", p->user, p->got[i].body, next);
        next++;
    }
    cr_assert_eq(next, n);
}

/* Sends the next numbers from phone i until the outbox is full. */
static void feed(struct world *w, size_t i, const char *to, int *next, int n)
{
    struct phone *p = &w->phones[i];
    char body[16];
    for (int k = 0; k < 20 && *next < n; k++) {
        struct sp_msgid id;
        int len = snprintf(body, sizeof body, "%d", *next);
        struct sp_outgoing m = {.to = {(const uint8_t *)to, strlen(to)},
                                .body = {(const uint8_t *)body, (size_t)len}};
        int rc = sp_client_submit(p->client, &m, &id, w->now);
        if (rc != 0)
            return;
        (*next)++;
    }
}

/* The number of the next message to submit after a restart: what storage has not kept was never taken. */
static int taken(const struct phone *p)
{
    return (int)(uint32_t)p->local.now->state.last.v;
}

/* What may go wrong in a storm. */
enum { KILLS = 1, RESTARTS = 2, DARKNESS = 4, BAD_STORAGE = 8 };

static void misfortune(struct world *w, unsigned what, int next[PHONES])
{
    size_t i = world_draw(w, PHONES);
    if ((what & KILLS) != 0 && world_draw(w, 2000) == 0) {
        world_kill(w, i);
        next[i] = taken(&w->phones[i]);
        world_start(w, i);
    }
    if ((what & RESTARTS) != 0 && world_draw(w, 3000) == 0)
        gate_restart(&w->gate);
    if ((what & BAD_STORAGE) != 0 && world_draw(w, 500) == 0)
        w->phones[i].local.fail_in = 1 + (int)world_draw(w, 10);
    if ((what & DARKNESS) != 0 && world_draw(w, 4000) == 0)
        w->dark_until[i] = w->now + world_draw(w, 60) * SP_SECOND;
    for (i = 0; i < PHONES; i++)
        w->is_dark[i] = w->now < w->dark_until[i];
}

static void storm(uint64_t seed, unsigned what)
{
    enum { N = 400 };
    struct world *w = world_create();
    int next[PHONES] = {0, 0};
    w->x = seed;
    w->loss = 25;
    w->dup = 5;
    w->jitter = 30 * SP_MS;
    world_start(w, ANN);
    world_start(w, BOB);
    sp_time until = w->now + 1500 * SP_SECOND;
    while (w->now < until) {
        bool is_idle =
            sp_client_waiting(w->phones[ANN].client) == 0 && sp_client_waiting(w->phones[BOB].client) == 0;
        if (is_idle || world_draw(w, 200) == 0) {
            feed(w, ANN, "bob", &next[ANN], N);
            feed(w, BOB, "ann", &next[BOB], N);
        }
        misfortune(w, what, next);
        world_turn(w, until);
        bool is_done = next[ANN] == N && next[BOB] == N && sp_client_waiting(w->phones[ANN].client) == 0 &&
                       sp_client_waiting(w->phones[BOB].client) == 0;
        if (is_done)
            break;
    }
    cr_assert_lt(w->now, until, "seed %lu: waiting %zu and %zu, got %zu and %zu", (unsigned long)seed,
                 sp_client_waiting(w->phones[ANN].client), sp_client_waiting(w->phones[BOB].client),
                 w->phones[ANN].got_n, w->phones[BOB].got_n);
    expect_all(&w->phones[BOB], "ann", N);
    expect_all(&w->phones[ANN], "bob", N);
    world_destroy(w);
}

Test(client, storm)
{
    storm(1, 0);
}

Test(client, storm_with_gateway_restarts)
{
    storm(2, RESTARTS);
}

Test(client, storm_with_killed_clients)
{
    storm(3, KILLS);
}

Test(client, storm_with_everything)
{
    for (uint64_t seed = 10; seed < 14; seed++)
        storm(seed, KILLS | RESTARTS | DARKNESS | BAD_STORAGE);
}
