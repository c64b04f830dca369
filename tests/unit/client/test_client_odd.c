/* The client and frames that nobody asked for, an app that does not look, and calls at the wrong time. */
#include "world.h"

#define ANN 0
#define BOB 1

/* The gateway says this frame to a phone. */
static void say(struct world *w, unsigned phone, const struct sp_frame *f)
{
    world_run(w, SP_SECOND);
    struct gate_session *s = gate_session_of(&w->gate, phone);
    cr_assert_not_null(s);
    gate_submit(s, f, w->now);
    world_run(w, SP_SECOND);
}

/* Still online, and messages still go both ways. */
static void check_works(struct world *w)
{
    size_t before = w->phones[BOB].got_n;
    struct sp_msgid id = world_send(w, ANN, "bob", "still here");
    WORLD_UNTIL(w, 30 * SP_SECOND, world_state(w, ANN, id) == SP_STATE_DELIVERED);
    cr_assert_eq(w->phones[BOB].got_n, before + 1);
}

Test(client_odd, frames_that_nobody_asked_for)
{
    struct world *w = world_online();
    struct sp_frame f = {.kind = SP_KIND_MSG_A};
    f.u.msg_a.msgid.v = 12345;
    f.u.msg_a.state = SP_STATE_ACCEPTED;
    say(w, BOB, &f);
    f = (struct sp_frame){.kind = SP_KIND_TIP};
    say(w, BOB, &f);
    f = (struct sp_frame){.kind = SP_KIND_STATUS_A};
    f.u.status_a.id = 99;
    f.u.status_a.n = 1;
    say(w, BOB, &f);
    check_works(w);
    world_destroy(w);
}

/* A token without the right to receive: said once, and sending goes on. */
Test(client_odd, a_pull_that_is_forbidden)
{
    struct world *w = world_online();
    struct sp_frame f = {.kind = SP_KIND_PULL_A};
    f.u.pull_a.code = SP_CODE_FORBIDDEN;
    f.u.pull_a.id = 1;
    say(w, ANN, &f);
    cr_expect_eq(w->phones[ANN].errors, 1U);
    cr_expect_eq(w->phones[ANN].last_error, SP_EFORBIDDEN);
    say(w, ANN, &f);
    cr_expect_eq(w->phones[ANN].errors, 1U);
    check_works(w);
    world_destroy(w);
}

/* An app that leaves its events unread misses the oldest of those that concern the whole client, and no
 * message. */
Test(client_odd, an_app_that_does_not_look)
{
    struct world *w = world_online();
    w->phones[BOB].is_lazy = true;
    for (int i = 0; i < 30; i++) {
        gate_restart(&w->gate);
        (void)world_send(w, ANN, "bob", "x");
        world_run(w, 120 * SP_SECOND);
    }
    unsigned online = w->phones[BOB].online, offline = w->phones[BOB].offline;
    w->phones[BOB].is_lazy = false;
    WORLD_UNTIL(w, 60 * SP_SECOND, w->phones[BOB].got_n == 30);
    unsigned told = w->phones[BOB].online - online + w->phones[BOB].offline - offline;
    cr_expect(told > 0 && told <= 17, "%u", told);
    cr_expect(world_stats(w, BOB).is_online, "the newest ones are there");
    cr_expect_gt(world_stats(w, BOB).handshakes, 8U);
    check_works(w);
    world_destroy(w);
}

Test(client_odd, arguments_that_cannot_be)
{
    struct world *w = world_create();
    struct phone *p = &w->phones[ANN];
    uint8_t blob[SP_BLOB_MAX];
    struct sp_client *c = NULL;
    struct sp_client_config cfg = world_config(w, p, blob, 86400);
    size_t len = sp_client_footprint(&cfg);
    void *mem = malloc(len);
    cr_assert_not_null(mem);
    cr_expect_eq(sp_client_init(&c, mem, len - 1, &cfg, w->now), SP_EINVAL);
    cfg.crypto = NULL;
    cr_expect_eq(sp_client_init(&c, mem, len, &cfg, w->now), SP_EINVAL);
    cfg.crypto = w->gate.mint.crypto;
    cfg.local = NULL;
    cr_expect_eq(sp_client_init(&c, mem, len, &cfg, w->now), SP_EINVAL);
    cfg.local = &p->local.table;
    p->local.is_broken = true;
    cr_expect_eq(sp_client_init(&c, mem, len, &cfg, w->now), SP_EIO);
    cr_expect_null(c);
    p->local.is_broken = false;
    cr_assert_eq(sp_client_init(&c, mem, len, &cfg, w->now), 0);
    uint8_t small[SP_DATAGRAM_MAX - 1];
    struct sp_datagram out = {.p = small, .cap = sizeof small};
    cr_expect_eq(sp_client_transmit(c, &out, w->now), SP_EINVAL);
    uint8_t none[1] = {0};
    cr_expect_eq(sp_client_receive(c, none, 0, w->now), SP_EMALFORMED);
    sp_client_wipe(c);
    free(mem);
    world_destroy(w);
}

/* After close nothing begins any more. */
Test(client_odd, calls_after_close)
{
    struct world *w = world_online();
    struct sp_client *c = w->phones[ANN].client;
    uint8_t blob[SP_BLOB_MAX];
    struct sp_client_config cfg = world_config(w, &w->phones[ANN], blob, 86400);
    struct sp_msgid id;
    struct sp_outgoing m = {.to = {(const uint8_t *)"bob", 3}};
    sp_client_close(c, w->now);
    sp_client_close(c, w->now);
    cr_expect_eq(sp_client_submit(c, &m, &id, w->now), SP_ECLOSED);
    cr_expect_eq(sp_client_token(c, cfg.blob, w->now), 0);
    sp_client_network(c, 7, w->now);
    uint32_t handshakes = (uint32_t)world_stats(w, ANN).handshakes;
    world_run(w, 60 * SP_SECOND);
    cr_expect_eq(world_stats(w, ANN).handshakes, handshakes);
    cr_expect_eq(w->gate.last_close, SP_CLOSE_BYE);
    cr_expect_eq(w->gate.closes, 1U);
    world_destroy(w);
}

/* A token that comes while all is well changes nothing for the session; a network that is the same one
 * neither. */
Test(client_odd, news_that_are_none)
{
    struct world *w = world_online();
    struct sp_client *c = w->phones[ANN].client;
    uint8_t blob[SP_BLOB_MAX];
    struct sp_client_config cfg = world_config(w, &w->phones[ANN], blob, 86400 * 60);
    cr_expect_eq(sp_client_token(c, cfg.blob, w->now), 0);
    sp_client_network(c, 7, w->now);
    world_run(w, SP_SECOND);
    uint64_t probes = w->sent_up;
    sp_client_network(c, 7, w->now);
    world_run(w, SP_SECOND / 2);
    cr_expect_eq(w->sent_up, probes);
    cr_expect_eq(world_stats(w, ANN).handshakes, 1U);
    check_works(w);
    world_destroy(w);
}

/* A sender has nothing to settle, and a phone that changes its network while it looks for the gateway begins
 * anew. */
Test(client_odd, a_sender_without_a_gateway)
{
    struct world *w = world_create();
    w->phones[ANN].receives = false;
    w->is_gate_down = true;
    world_start(w, ANN);
    world_run(w, 200 * SP_SECOND);
    cr_expect(sp_client_is_settled(w->phones[ANN].client));
    cr_expect_eq(w->phones[ANN].online, 0U);
    w->is_gate_down = false;
    sp_client_network(w->phones[ANN].client, 9, w->now);
    WORLD_UNTIL(w, SP_SECOND, w->phones[ANN].online == 1);
    world_destroy(w);
}

/* A gateway that forgot us says so while we close: we are done, and do not come back. */
Test(client_odd, a_reset_while_closing)
{
    struct world *w = world_online();
    gate_restart(&w->gate);
    sp_client_close(w->phones[ANN].client, w->now);
    world_run(w, 30 * SP_SECOND);
    cr_expect_eq(world_stats(w, ANN).handshakes, 1U);
    cr_expect_not(world_stats(w, ANN).is_online);
    world_destroy(w);
}
