/* The turn, over a real core, a store in memory and a real socket. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "crypto_sodium.h"
#include "loop.h"
#include "sys.h"

struct rig {
    struct sp_loop loop;
    struct sp_store *store;
    unsigned ticks, ticks_max;
};
static struct rig r;

static void on_tick(void *self, sp_time now)
{
    struct rig *rig = self;
    (void)now;
    if (++rig->ticks == rig->ticks_max)
        ev_break(rig->loop.ev, EVBREAK_ALL);
}

static void setup(void)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_gateway_config cfg = {.crypto = c, .unix_us = sp_sys_unix_us(), .sessions_max = 10};
    struct sp_addr at;
    struct sp_trouble t;
    memset(cfg.keys.secret, 7, sizeof cfg.keys.secret);
    c->x25519_base(c->self, cfg.keys.public, cfg.keys.secret);
    cfg.keys.tokens.n = 1;
    sp_sys_random(cfg.seed, sizeof cfg.seed);
    cr_assert_eq(sp_store_open(&r.store, "mem:", NULL), 0);
    cr_assert_eq(sp_store_attach(r.store, &r.loop.port), 0);
    cr_assert_eq(sp_gateway_create(&r.loop.gateway, &cfg, r.loop.port, sp_sys_now()), 0);
    cr_assert(sp_addr_parse("127.0.0.1:0", &at));
    cr_assert_eq(sp_udp_open(&r.loop.udp, &at, &t), 0);
    r.loop.ev = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
    r.loop.tick = on_tick;
    r.loop.self = &r;
    sp_loop_start(&r.loop);
}

static void teardown(void)
{
    sp_loop_stop(&r.loop);
    sp_gateway_destroy(&r.loop.gateway);
    sp_store_close(&r.store);
    sp_udp_close(&r.loop.udp);
    ev_loop_destroy(r.loop.ev);
}

TestSuite(loop, .init = setup, .fini = teardown);

Test(loop, an_idle_gateway_sleeps)
{
    r.ticks_max = 3;
    sp_loop_run(&r.loop);
    cr_expect_geq(r.loop.turns, 3);
    cr_expect_leq(r.loop.turns, 20, "not %llu", (unsigned long long)r.loop.turns);
}

Test(loop, all_waiting_datagrams_reach_the_core)
{
    struct sp_addr at = sp_udp_at(r.loop.udp);
    struct sockaddr_storage ss = {0};
    socklen_t len = sp_addr_to_sock(&at, &ss);
    struct sp_stats stats;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < 600; i++) /* more than a turn takes */
        cr_assert_eq(sendto(fd, "noise", 5, 0, (struct sockaddr *)&ss, len), 5);
    r.ticks_max = 1;
    sp_loop_run(&r.loop);
    sp_gateway_read_stats(r.loop.gateway, &stats);
    cr_expect_eq(stats.datagrams_received, 600);
    cr_expect_eq(stats.datagrams_accepted, 0);
    cr_expect_geq(r.loop.turns, 3);
    (void)close(fd);
}

Test(loop, a_drain_without_sessions_ends_at_once)
{
    sp_time begin = sp_sys_now();
    r.ticks_max = 100;
    sp_loop_drain(&r.loop, 30);
    sp_loop_run(&r.loop);
    cr_expect_lt(sp_sys_now() - begin, 5 * SP_SECOND);
    cr_expect_lt(r.ticks, 10);
}
