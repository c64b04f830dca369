/* Two links over a wire in virtual time: the promises of link.h and the link's stories of docs/protocol.md.
 */
#include "link_rig.h"

#include <stdio.h>

Test(link, is_small)
{
    cr_assert_leq(sizeof(struct sp_link), 2560);
}

Test(link, first_datagram_goes_at_once_and_brings_up_both)
{
    struct rig *r = rig_open(1);
    rig_run_for(r, SP_SECOND);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(r->side[i].events[SP_LINK_UP], 1);
        cr_assert_eq(r->side[i].events[SP_LINK_OPTIONS], 1);
        cr_assert_eq(r->side[i].options.datagram, SP_DATAGRAM_MAX);
    }
    cr_assert(r->side[CLIENT].options.ackdelay_ms == 5 && r->side[CLIENT].options.inbox == 256);
    cr_assert(r->side[GATEWAY].options.ackdelay_ms == 10 && r->side[GATEWAY].options.keepalive_s == 25);
    rig_close(r);
}

Test(link, every_frame_arrives_and_is_told_once)
{
    static const struct {
        unsigned loss, dup, reorder, corrupt;
        sp_time jitter;
        uint32_t n;
    } rows[] = {
        {0, 0, 0, 0, 0, 3000},
        {0, 0, 0, 0, 40 * SP_MS, 3000},
        {100, 0, 0, 0, 0, 3000},
        {300, 0, 0, 0, 0, 3000},
        {300, 50, 50, 10, 20 * SP_MS, 3000},
        {600, 0, 0, 0, 0, 1500},
        {600, 500, 200, 50, 60 * SP_MS, 1500},
        {0, 1000, 500, 0, 200 * SP_MS, 3000},
        {100, 200, 300, 100, 100 * SP_MS, 2000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = rig_open(100 + i);
        r->loss = rows[i].loss;
        r->dup = rows[i].dup;
        r->reorder = rows[i].reorder;
        r->corrupt = rows[i].corrupt;
        r->jitter = rows[i].jitter;
        both_ways(r, rows[i].n, 200);
        cr_assert_eq(r->side[0].events[SP_LINK_CLOSED] + r->side[1].events[SP_LINK_CLOSED], 0, "row %zu", i);
        cr_assert_eq(r->side[0].link.stats.violations + r->side[1].link.stats.violations, 0, "row %zu", i);
        rig_close(r);
    }
}

Test(link, swarm_of_seeds_with_drawn_faults)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig *r = rig_open(seed * 7919);
        r->loss = rig_chance(r, 700) ? (unsigned)(rig_random(r) % 550) : 0;
        r->dup = rig_chance(r, 500) ? (unsigned)(rig_random(r) % 500) : 0;
        r->reorder = rig_chance(r, 500) ? (unsigned)(rig_random(r) % 500) : 0;
        r->corrupt = rig_chance(r, 500) ? (unsigned)(rig_random(r) % 50) : 0;
        r->delay = (sp_time)(rig_random(r) % 400) * SP_MS;
        r->jitter = rig_chance(r, 500) ? (sp_time)(rig_random(r) % 150) * SP_MS : 0;
        both_ways(r, 300, 1 + (uint32_t)(rig_random(r) % 100));
        rig_close(r);
    }
}

/* Messages one by one, 40 ms apart on average; p99 in round trips of 100 ms.  Nothing reacts before one round
 * trip, so the steps are at 0.5, 1.5, 2.5...; redundancy will lower them, and nothing may raise them. */
Test(link, latency_stays_in_bounds)
{
    static const struct {
        unsigned loss;
        int p50_ms, p99_ms;
    } rows[] = {{0, 51, 52}, {100, 51, 275}, {300, 52, 520}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = rig_open(500 + i);
        static uint32_t histogram[10000];
        const uint32_t n = 4000;
        memset(histogram, 0, sizeof histogram);
        r->loss = rows[i].loss;
        rig_run_for(r, 5 * SP_SECOND);
        for (uint32_t k = 0; k < n; k++) {
            cr_assert_eq(rig_submit(r, CLIENT, BODY), 0);
            rig_run_for(r, (sp_time)(rig_random(r) % (uint64_t)(80 * SP_MS)));
        }
        rig_run_for(r, 20 * SP_SECOND);
        rig_assert_whole(r, CLIENT);
        for (uint32_t k = 0; k < n; k++) {
            sp_time ms = (r->side[GATEWAY].arrived_at[k] - r->side[CLIENT].submitted_at[k]) / SP_MS;
            histogram[ms < 10000 ? ms : 9999]++;
        }
        int p50 = -1, p99 = -1;
        for (uint32_t ms = 0, sum = 0; ms < 10000; ms++) {
            sum += histogram[ms];
            p50 = p50 < 0 && sum >= n / 2 ? (int)ms : p50;
            p99 = p99 < 0 && sum >= n / 100 * 99 ? (int)ms : p99;
        }
        printf("loss %u%% p50 %d ms p99 %d ms, %.2f copies\n", rows[i].loss / 10, p50, p99,
               (double)r->side[CLIENT].link.stats.frames_sent / n);
        cr_assert_leq(p50, rows[i].p50_ms);
        cr_assert_leq(p99, rows[i].p99_ms);
        rig_close(r);
    }
}

Test(link, throughput_holds_under_radio_loss)
{
    static const struct {
        unsigned loss;
        sp_time jitter;
        int least; /* frames per second */
    } rows[] = {{0, 0, 1800}, {100, 0, 1200}, {300, 0, 900}, {300, 20 * SP_MS, 800}, {600, 0, 350}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = rig_open(900 + i);
        r->loss = rows[i].loss;
        r->jitter = rows[i].jitter;
        sp_time start = r->now;
        transfer(r, CLIENT, 5000, 256, 600 * SP_SECOND);
        int rate = (int)(5000 * SP_SECOND / (r->now - start));
        printf("loss %u%%: %d frames/s, window %u at least %u\n", rows[i].loss / 10, rate,
               r->side[CLIENT].link.congestion.cwnd, r->side[CLIENT].cwnd_min);
        cr_assert_geq(rate, rows[i].least);
        cr_assert_geq(r->side[CLIENT].cwnd_min, 10 * SP_DATAGRAM_MAX, "radio loss shrank the window");
        rig_close(r);
    }
}

Test(link, a_bottleneck_is_filled_but_not_flooded)
{
    struct rig *r = rig_open(31);
    r->rate_us = 4 * SP_MS; /* 250 datagrams per second */
    for (uint32_t i = 0; i < 2500; i++) {
        while (rig_submit(r, CLIENT, SP_PART_MAX) != 0)
            rig_run_for(r, 4 * SP_MS);
    }
    sp_time end = r->now + 100 * SP_SECOND;
    while (r->side[CLIENT].acked_n < 2500 && r->now < end)
        rig_run_for(r, 10 * SP_MS);
    rig_assert_whole(r, CLIENT);
    struct sp_link_stats st;
    sp_link_read_stats(&r->side[CLIENT].link, &st);
    cr_assert_leq(r->now - 1000 * SP_SECOND, 14 * SP_SECOND, "2500 datagrams at 250 per second");
    cr_assert_leq(st.srtt_us - st.min_rtt_us, 60 * SP_MS, "standing queue %ld us",
                  (long)(st.srtt_us - st.min_rtt_us));
    cr_assert_leq(st.frames_resent, 250);
    rig_close(r);
}

Test(link, goes_dark_quietly_and_resumes_with_all_it_had)
{
    struct rig *r = rig_open(5);
    transfer(r, CLIENT, 50, 10, 10 * SP_SECOND);
    for (int i = 0; i < 300; i++)
        cr_assert_eq(rig_submit(r, CLIENT, BODY), 0);
    r->is_dead[CLIENT] = r->is_dead[GATEWAY] = true;
    uint32_t before = r->side[CLIENT].datagrams;
    uint64_t probes = r->side[CLIENT].link.stats.probes;
    rig_run_for(r, 2 * SP_SECOND);
    cr_assert_eq(r->side[CLIENT].events[SP_LINK_DARK], 1);
    rig_run_for(r, 58 * SP_SECOND);
    cr_assert_leq(r->side[CLIENT].link.stats.probes - probes, 16, "story 28");
    cr_assert_leq(r->side[CLIENT].datagrams - before, 35 + 16 + 3, "the first burst, then probes");
    cr_assert_eq(r->side[CLIENT].events[SP_LINK_HEARD], 0);

    r->is_dead[CLIENT] = r->is_dead[GATEWAY] = false;
    rig_run_for(r, 20 * SP_SECOND);
    cr_assert_eq(r->side[CLIENT].events[SP_LINK_HEARD], 1);
    rig_assert_whole(r, CLIENT);
    rig_close(r);
}

Test(link, idle_links_send_few_probes_in_a_minute_of_total_loss)
{
    for (sp_time delay = 0; delay <= 300 * SP_MS; delay += 60 * SP_MS) {
        struct rig *r = rig_open(6);
        r->delay = delay + 200;
        transfer(r, CLIENT, 50, 10, 60 * SP_SECOND);
        rig_run_for(r, SP_SECOND);
        r->is_dead[CLIENT] = r->is_dead[GATEWAY] = true;
        uint32_t before[2] = {r->side[0].datagrams, r->side[1].datagrams};
        rig_submit(r, CLIENT, BODY);
        rig_submit(r, GATEWAY, BODY);
        rig_run_for(r, 60 * SP_SECOND);
        for (int i = 0; i < 2; i++)
            cr_assert_leq(r->side[i].datagrams - before[i], 1 + 16, "side %d: %u", i,
                          r->side[i].datagrams - before[i]);
        r->is_dead[CLIENT] = r->is_dead[GATEWAY] = false;
        rig_run_for(r, 16 * SP_SECOND);
        rig_assert_whole(r, CLIENT);
        rig_assert_whole(r, GATEWAY);
        rig_close(r);
    }
}

Test(link, dark_and_heard_between_two_polls_tell_the_last_state)
{
    struct rig *r = rig_open(46);
    struct sp_link *l = &r->side[CLIENT].link;
    struct sp_link_event ev;
    rig_run_for(r, SP_SECOND);
    sp_link_note_event(l, SP_LINK_DARK);
    sp_link_note_event(l, SP_LINK_HEARD);
    cr_assert(sp_link_poll(l, &ev) == 0 && ev.kind == SP_LINK_DARK);
    sp_link_note_event(l, SP_LINK_DARK); /* heard is not polled yet: the owner still takes it for dark */
    cr_assert_eq(sp_link_poll(l, &ev), SP_EAGAIN);
    rig_close(r);
}

Test(link, one_dead_direction_heals_too)
{
    for (int dead = 0; dead < 2; dead++) {
        struct rig *r = rig_open(8);
        transfer(r, CLIENT, 20, 10, 10 * SP_SECOND);
        r->is_dead[dead] = true;
        for (int i = 0; i < 40; i++) {
            rig_submit(r, CLIENT, BODY);
            rig_submit(r, GATEWAY, BODY);
        }
        rig_run_for(r, 20 * SP_SECOND);
        r->is_dead[dead] = false;
        rig_run_for(r, 20 * SP_SECOND);
        rig_assert_whole(r, CLIENT);
        rig_assert_whole(r, GATEWAY);
        rig_close(r);
    }
}

Test(link, a_false_ack_closes)
{
    enum { SKIPPED, UNSENT, BELOW_ZERO, ZERO_UP };
    for (int what = SKIPPED; what <= ZERO_UP; what++) {
        struct rig *r = rig_open(23);
        struct sp_link *l = &r->side[CLIENT].link;
        transfer(r, CLIENT, 1100, 1, 600 * SP_SECOND); /* story 29: at least one number was skipped */
        l->cfg.early = what != ZERO_UP;
        cr_assert_neq(l->skipped[0], 0);
        struct sp_frame f = {.kind = SP_KIND_ACK};
        f.u.ack.largest = what == SKIPPED ? l->skipped[0] : what == UNSENT ? (uint32_t)l->next_pn : 3;
        f.u.ack.first = what == BELOW_ZERO ? 4 : what == ZERO_UP ? 3 : 0;
        cr_assert_eq(rig_forge(r, CLIENT, r->side[GATEWAY].link.next_pn, &f, 1), 0);
        cr_assert_eq(l->stats.violations, 1);
        rig_run_for(r, SP_SECOND);
        cr_assert_eq(r->side[CLIENT].events[SP_LINK_CLOSED], 1);
        cr_assert(r->side[CLIENT].closed.is_local);
        cr_assert_eq(r->side[CLIENT].closed.close.code, SP_CLOSE_PROTOCOL);
        cr_assert_eq(r->side[CLIENT].closed.close.cause, SP_KIND_ACK);
        cr_assert_eq(r->side[GATEWAY].events[SP_LINK_CLOSED], 1);
        cr_assert_not(r->side[GATEWAY].closed.is_local);
        cr_assert_eq(r->side[GATEWAY].closed.close.code, SP_CLOSE_PROTOCOL);
        rig_close(r);
    }
}

Test(link, number_zero_up_may_be_named_after_early_data)
{
    struct rig *r = rig_open(24);
    transfer(r, CLIENT, 3, 1, 10 * SP_SECOND);
    struct sp_frame f = {.kind = SP_KIND_ACK, .u.ack = {.largest = 3, .first = 3}};
    cr_assert_eq(rig_forge(r, CLIENT, r->side[GATEWAY].link.next_pn, &f, 1), 0);
    cr_assert_eq(r->side[CLIENT].link.stats.violations, 0);
    rig_close(r);
}

Test(link, a_datagram_that_does_not_parse_closes_and_hands_out_nothing)
{
    struct rig *r = rig_open(25);
    rig_run_for(r, SP_SECOND);
    struct sp_seal seal;
    uint8_t bytes[SP_DATAGRAM_MAX] = {0};
    size_t at = sp_seal_header(SP_DIR_UP);
    bytes[at] = SP_KIND_PING;
    bytes[at + 1] = SP_KIND_TIP; /* downwards only */
    sp_seal_init(&seal, sp_crypto_sodium(), rig_up, SP_DIR_UP, r->now);
    struct sp_datagram d = {.peer = r->client_addr, .p = bytes, .cap = sizeof bytes};
    d.len = sp_seal_packet(&seal, r->side[CLIENT].link.cfg.cid, 100, bytes, 2);
    cr_assert_eq(sp_link_receive(&r->side[GATEWAY].link, &d, r->now), 0);
    struct sp_frame f;
    cr_assert_eq(sp_link_next(&r->side[GATEWAY].link, &f), SP_EAGAIN);
    cr_assert_eq(r->side[GATEWAY].link.stats.violations, 1);
    rig_run_for(r, SP_SECOND);
    cr_assert_eq(r->side[CLIENT].closed.close.code, SP_CLOSE_PROTOCOL);
    cr_assert_eq(r->side[CLIENT].closed.close.cause, SP_KIND_TIP);
    rig_close(r);
}

Test(link, junk_is_refused_and_changes_nothing)
{
    struct rig *r = rig_open(26);
    transfer(r, CLIENT, 5, 1, 10 * SP_SECOND);
    struct sp_link *l = &r->side[GATEWAY].link;
    uint8_t bytes[1300] = {0x40};
    static const size_t lens[] = {0, 1, 26, 27, 28, 200, 1200, 1201};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct sp_datagram d = {.peer = rig_addr(66, 6), .p = bytes, .len = lens[i], .cap = sizeof bytes};
        bytes[9] = 0;
        bytes[10] = 60;
        int err = sp_link_receive(l, &d, r->now);
        cr_assert_eq(err, lens[i] < 27 || lens[i] > 1200 ? SP_EMALFORMED : SP_EAUTH, "length %zu", lens[i]);
    }
    cr_assert(sp_path_is_same(&l->path.peer, &r->client_addr));

    struct sp_frame ping = {.kind = SP_KIND_PING};
    uint64_t next = r->side[CLIENT].link.next_pn;
    cr_assert_eq(rig_forge(r, GATEWAY, next + 2000, &ping, 1), 0);
    cr_assert_eq(rig_forge(r, GATEWAY, next + 2000, &ping, 1), SP_EREPLAY);
    cr_assert_eq(rig_forge(r, GATEWAY, next + 2000 - 1024, &ping, 1), SP_EREPLAY);
    cr_assert_eq(rig_forge(r, GATEWAY, next + 2000 - 1023, &ping, 1), 0);
    rig_close(r);
}

Test(link, close_reaches_the_peer_and_drops_what_waited)
{
    for (int who = 0; who < 2; who++) {
        struct rig *r = rig_open(27);
        transfer(r, CLIENT, 5, 1, 10 * SP_SECOND);
        for (int i = 0; i < 10; i++) {
            rig_submit(r, CLIENT, BODY);
            rig_submit(r, GATEWAY, BODY);
        }
        uint32_t acked = r->side[who].acked_n;
        sp_link_close(&r->side[who].link, SP_CLOSE_GOING_AWAY, 7, r->now);
        cr_assert_eq(sp_link_submit(&r->side[who].link, &(struct sp_frame){.kind = SP_KIND_PING}, 1, r->now),
                     SP_ECLOSED);
        rig_run_for(r, 200 * SP_MS);
        cr_assert_eq(r->side[who].events[SP_LINK_CLOSED], 1);
        cr_assert(r->side[who].closed.is_local);
        cr_assert_eq(r->side[who].dropped_n + r->side[who].acked_n - acked, 10);
        cr_assert_eq(r->side[1 - who].events[SP_LINK_CLOSED], 1);
        cr_assert_eq(r->side[1 - who].closed.close.code, SP_CLOSE_GOING_AWAY);
        cr_assert_eq(r->side[1 - who].closed.close.retry, 7);
        cr_assert(sp_link_is_finished(&r->side[1 - who].link, r->now), "a CLOSE is not answered");
        rig_run_for(r, 2 * SP_SECOND);
        cr_assert(sp_link_is_finished(&r->side[who].link, r->now));
        cr_assert_eq(sp_link_deadline(&r->side[who].link), SP_NEVER);
        rig_close(r);
    }
}

Test(link, close_is_repeated_to_packets_1_2_4_8)
{
    struct rig *r = rig_open(28);
    transfer(r, CLIENT, 5, 1, 10 * SP_SECOND);
    struct rig_side *g = &r->side[GATEWAY];
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    struct sp_frame ping = {.kind = SP_KIND_PING};
    sp_link_close(&g->link, SP_CLOSE_BYE, 0, r->now);
    cr_assert_eq(sp_link_transmit(&g->link, &d, r->now), 0);
    cr_assert_eq(sp_link_transmit(&g->link, &d, r->now), SP_EAGAIN);
    uint64_t pn = r->side[CLIENT].link.next_pn;
    for (unsigned i = 1; i <= 20; i++) {
        cr_assert_eq(rig_forge(r, GATEWAY, pn + i, &ping, 1), SP_ECLOSED);
        bool expected = i == 1 || i == 2 || i == 4 || i == 8 || i == 16;
        cr_assert_eq(sp_link_transmit(&g->link, &d, r->now) == 0, expected, "packet %u", i);
    }
    cr_assert_eq(rig_forge(r, GATEWAY, pn + 16, &ping, 1), SP_ECLOSED);
    cr_assert_eq(sp_link_transmit(&g->link, &d, r->now), SP_EAGAIN, "a replayed packet earns nothing");
    r->now = g->link.close_until;
    cr_assert_eq(rig_forge(r, GATEWAY, pn + 32, &ping, 1), SP_ECLOSED);
    cr_assert_eq(sp_link_transmit(&g->link, &d, r->now), SP_EAGAIN);
    cr_assert(sp_link_is_finished(&g->link, r->now));
    rig_close(r);
}

Test(link, keepalive_comes_from_the_client_and_keeps_both)
{
    struct rig *r = rig_open(33);
    rig_run_for(r, SP_SECOND);
    uint32_t before[2] = {r->side[0].datagrams, r->side[1].datagrams};
    rig_run_for(r, 600 * SP_SECOND);
    uint32_t pings = r->side[CLIENT].datagrams - before[0];
    cr_assert(pings >= 600 / 25 && pings <= 600 / 20 + 2, "%u pings", pings);
    cr_assert_leq(r->side[GATEWAY].datagrams - before[1], pings, "the gateway only answers");
    cr_assert_eq(r->side[0].events[SP_LINK_CLOSED] + r->side[1].events[SP_LINK_CLOSED], 0);
    cr_assert_eq(r->side[0].events[SP_LINK_DARK] + r->side[1].events[SP_LINK_DARK], 0);
    rig_close(r);
}

Test(link, an_unanswered_keepalive_is_probed_into_the_dark)
{
    struct rig *r = rig_open(34);
    transfer(r, CLIENT, 30, 5, 10 * SP_SECOND);
    r->is_dead[GATEWAY] = true;
    rig_run_for(r, 27 * SP_SECOND);
    cr_assert_eq(r->side[CLIENT].events[SP_LINK_DARK], 1, "ruling 48");
    r->is_dead[GATEWAY] = false;
    rig_run_for(r, 5 * SP_SECOND);
    cr_assert_eq(r->side[CLIENT].events[SP_LINK_HEARD], 1);
    rig_close(r);
}

Test(link, both_ends_expire_after_three_keepalives_and_ten_seconds)
{
    struct rig *r = rig_open(35);
    rig_run_for(r, SP_SECOND);
    sp_link_options(&r->side[CLIENT].link, 10, 64, 0, r->now);
    rig_run_for(r, SP_SECOND);
    cr_assert_eq(r->side[GATEWAY].options.keepalive_s, 10);
    r->is_dead[CLIENT] = true;
    sp_time heard = r->side[GATEWAY].link.recovery.heard_at;
    rig_run(r, heard + 39 * SP_SECOND);
    cr_assert_eq(r->side[GATEWAY].events[SP_LINK_CLOSED], 0);
    rig_run(r, heard + 41 * SP_SECOND);
    cr_assert_eq(r->side[GATEWAY].events[SP_LINK_CLOSED], 1);
    cr_assert(r->side[GATEWAY].closed.is_local && r->side[GATEWAY].closed.close.code == SP_CLOSE_IDLE);
    cr_assert_eq(r->side[CLIENT].events[SP_LINK_CLOSED], 1);
    cr_assert_eq(r->side[CLIENT].closed.close.code, SP_CLOSE_IDLE);
    rig_close(r);

    r = rig_open(36);
    rig_run_for(r, SP_SECOND);
    r->is_dead[GATEWAY] = true;
    rig_run_for(r, 84 * SP_SECOND);
    cr_assert_eq(r->side[CLIENT].events[SP_LINK_CLOSED], 0);
    rig_run_for(r, 2 * SP_SECOND);
    cr_assert_eq(r->side[CLIENT].closed.close.code, SP_CLOSE_IDLE, "the client gives up as well");
    rig_close(r);
}

Test(link, flips_key_phases_under_loss)
{
    struct rig *r = rig_open(37);
    r->loss = 300;
    r->jitter = 30 * SP_MS;
    uint8_t seen[2] = {0, 0};
    uint8_t phase[2] = {0, 0};
    for (uint32_t k = 0; k < 60; k++) {
        for (int i = 0; i < 2; i++) {
            for (int n = 0; n < 20; n++)
                cr_assert_eq(rig_submit(r, i, BODY), 0);
            r->side[i].link.seal.phase_packets += (uint64_t)1 << 20; /* as if so many had gone */
        }
        rig_run_for(r, SP_SECOND);
        for (int i = 0; i < 2; i++) {
            seen[i] = (uint8_t)(seen[i] + (phase[i] != r->side[i].link.seal.phase));
            phase[i] = r->side[i].link.seal.phase;
        }
    }
    rig_run_for(r, 20 * SP_SECOND);
    rig_assert_whole(r, CLIENT); /* story 31 */
    rig_assert_whole(r, GATEWAY);
    cr_assert(seen[0] >= 10 && seen[1] >= 10, "%u and %u flips", seen[0], seen[1]);
    rig_close(r);
}

Test(link, a_newer_value_takes_the_place_of_an_older_one)
{
    struct rig *r = rig_open(38);
    rig_run_for(r, SP_SECOND);
    struct sp_link *l = &r->side[GATEWAY].link;
    r->is_dead[GATEWAY] = true;
    for (uint32_t i = 1; i <= 5; i++) {
        struct sp_frame f = {.kind = SP_KIND_TIP, .u.tip.svr_seq.v = i};
        cr_assert_eq(sp_link_submit(l, &f, i, r->now), 0);
        if (i == 2)
            rig_run_for(r, 20 * SP_MS); /* this one is on its way, and lost */
    }
    cr_assert_eq(l->queue.frames, 4, "3 that return, 1 that waits");
    rig_poll(r, GATEWAY);
    cr_assert_eq(r->side[GATEWAY].dropped_n, 4);
    cr_assert_eq(l->queue.frames, 1);
    r->is_dead[GATEWAY] = false;
    rig_run_for(r, SP_SECOND);
    cr_assert_eq(r->side[GATEWAY].acked[4], 1);
    cr_assert_eq(r->side[GATEWAY].acked_n, 1);

    struct sp_frame tip = {.kind = SP_KIND_TIP, .u.tip.svr_seq.v = 9};
    cr_assert_eq(sp_link_submit(l, &tip, 7, r->now), 0);
    cr_assert_eq(sp_link_submit(l, &tip, 7, r->now), 0);
    rig_run_for(r, SP_SECOND);
    cr_assert_eq(r->side[GATEWAY].acked[6], 1, "the same ref returns once");
    cr_assert_eq(r->side[GATEWAY].dropped_n, 4);
    rig_close(r);
}

Test(link, cancel_withdraws_without_an_event)
{
    struct rig *r = rig_open(39);
    rig_run_for(r, SP_SECOND);
    rig_submit(r, CLIENT, BODY);
    rig_step(r, CLIENT); /* on its way */
    rig_submit(r, CLIENT, BODY);
    sp_link_cancel(&r->side[CLIENT].link, 1);
    sp_link_cancel(&r->side[CLIENT].link, 2);
    sp_link_cancel(&r->side[CLIENT].link, 77);
    rig_run_for(r, SP_SECOND);
    cr_assert_eq(r->side[CLIENT].acked_n + r->side[CLIENT].dropped_n, 0);
    cr_assert_eq(r->side[GATEWAY].arrived[0], 1, "a copy under way arrives");
    cr_assert_eq(r->side[GATEWAY].arrived[1], 0);
    cr_assert_eq(r->side[CLIENT].link.queue.frames, 0);
    rig_close(r);
}

Test(link, a_turn_that_leaves_nothing_names_the_next_timer)
{
    struct rig *r = rig_open(40);
    struct sp_link *l = &r->side[CLIENT].link;
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram out = {.p = bytes, .cap = sizeof bytes};
    rig_run_for(r, SP_SECOND);
    rig_submit(r, CLIENT, BODY);
    cr_assert_leq(sp_link_deadline(l), r->now);
    cr_assert_eq(sp_link_transmit(l, &out, r->now), 0);
    sp_time at = sp_link_deadline(l);
    cr_assert_gt(at, r->now, "nothing is left, and that is known without another turn");
    cr_assert_eq(sp_link_transmit(l, &out, r->now), SP_EAGAIN);
    cr_assert_eq(sp_link_transmit(l, &out, at - 1), SP_EAGAIN);
    cr_assert_eq(sp_link_deadline(l), at, "an idle turn moves nothing");
    cr_assert_eq(sp_link_transmit(l, &out, at), 0, "the frame goes again");
    rig_close(r);
}

Test(link, takes_frames_up_to_its_limit_and_refuses_wrong_ones)
{
    struct rig *r = rig_open(40);
    r->is_dead[CLIENT] = true;
    rig_run_for(r, 100 * SP_MS);
    size_t room = sp_link_room(&r->side[CLIENT].link);
    cr_assert(room > 400 && room < 512);
    uint32_t n = 0;
    while (rig_submit(r, CLIENT, BODY) == 0)
        n++;
    cr_assert(n >= 510 && n <= 512, "%u", n);
    cr_assert_eq(rig_submit(r, CLIENT, BODY), SP_EFULL);
    cr_assert_eq(sp_link_room(&r->side[CLIENT].link), 0);
    struct sp_frame bad = rig_frame(CLIENT, 0, 10);
    bad.u.msg_r.to.n = 65;
    sp_link_cancel(&r->side[CLIENT].link, 1);
    cr_assert_eq(sp_link_submit(&r->side[CLIENT].link, &bad, 9, r->now), SP_EINVAL);
    rig_close(r);
}

Test(link, scarce_shared_slots_delay_but_lose_nothing)
{
    static const struct sp_link_memory_config mem = {
        .small_max = 40, .large_max = 10, .packets_max = 12, .copies_max = 30};
    struct rig *r = rig_open(41);
    for (int i = 0; i < 2; i++) {
        sp_link_wipe(&r->side[i].link);
        free(r->side[i].block);
        rig_open_side(r, i, &mem);
    }
    r->loss = 200;
    both_ways(r, 1000, 60);
    rig_close(r);
}

Test(link, options_wait_for_a_slot)
{
    struct rig *r = rig_open(44);
    struct rig_side *s = &r->side[CLIENT];
    struct sp_link_config cfg = s->link.cfg;
    cfg.keys = (struct sp_session_keys_view){rig_up, rig_down};
    sp_link_wipe(&s->link);
    void *taken[1200];
    size_t n = 0;
    while (s->memory.small.used < s->memory.small.slots_max)
        taken[n++] = sp_pool_take(&s->memory.small);
    size_t small_n = n;
    while (s->memory.large.used < s->memory.large.slots_max)
        taken[n++] = sp_pool_take(&s->memory.large);
    sp_link_init(&s->link, &cfg, r->now);
    rig_run_for(r, 3 * SP_SECOND);
    cr_assert_eq(r->side[GATEWAY].events[SP_LINK_OPTIONS], 0);
    while (n > 0) {
        n--;
        sp_pool_give(n < small_n ? &s->memory.small : &s->memory.large, taken[n]);
    }
    rig_run_for(r, 3 * SP_SECOND);
    cr_assert_eq(r->side[GATEWAY].events[SP_LINK_OPTIONS], 1);
    rig_close(r);
}

Test(link, a_new_network_is_announced_at_once)
{
    struct rig *r = rig_open(42);
    transfer(r, CLIENT, 30, 5, 10 * SP_SECOND);
    rig_run_for(r, SP_SECOND);
    r->client_addr = rig_addr(120, 555);
    sp_link_network(&r->side[CLIENT].link, r->now);
    rig_run_for(r, 120 * SP_MS);
    cr_assert_eq(r->side[GATEWAY].events[SP_LINK_MOVED], 1);
    rig_submit(r, GATEWAY, BODY);
    rig_run_for(r, SP_SECOND);
    rig_assert_whole(r, GATEWAY);

    r->is_dead[CLIENT] = r->is_dead[GATEWAY] = true;
    rig_submit(r, CLIENT, BODY);
    rig_run_for(r, 30 * SP_SECOND);
    cr_assert_eq(r->side[CLIENT].events[SP_LINK_DARK], 1);
    r->is_dead[CLIENT] = r->is_dead[GATEWAY] = false;
    sp_link_network(&r->side[CLIENT].link, r->now);
    rig_run_for(r, 400 * SP_MS);
    cr_assert_eq(r->side[CLIENT].events[SP_LINK_HEARD], 1, "no waiting for the timer of the dark");
    rig_run_for(r, SP_SECOND);
    rig_assert_whole(r, CLIENT);
    rig_close(r);
}

Test(link, options_follow_the_highest_revision)
{
    struct rig *r = rig_open(43);
    rig_run_for(r, SP_SECOND);
    for (int i = 0; i < 300; i++) { /* the revision wraps at 256 */
        sp_link_options(&r->side[CLIENT].link, (uint16_t)(400 + i), 60, 1, r->now);
        rig_run_for(r, 200 * SP_MS);
    }
    cr_assert_eq(r->side[GATEWAY].options.keepalive_s, 699);
    cr_assert(r->side[GATEWAY].options.inbox == 60 && r->side[GATEWAY].options.flags == 1);
    struct sp_frame old = {.kind = SP_KIND_OPTIONS, .u.options = r->side[GATEWAY].options};
    old.u.options.rev--;
    old.u.options.inbox = 1;
    cr_assert_eq(rig_forge(r, GATEWAY, r->side[CLIENT].link.next_pn + 1, &old, 1), 0);
    rig_poll(r, GATEWAY);
    cr_assert_eq(r->side[GATEWAY].options.inbox, 60);
    rig_close(r);
}

/* A frame that a peer with the keys, but without our code, might send. */
static struct sp_frame hostile_frame(struct rig *r, int to)
{
    static const uint8_t kinds[] = {
        SP_KIND_ACK,           SP_KIND_ACK,     SP_KIND_ACK, SP_KIND_PING, SP_KIND_PATH_CHALLENGE,
        SP_KIND_PATH_RESPONSE, SP_KIND_OPTIONS, SP_KIND_PAD};
    struct sp_link *l = &r->side[to].link;
    struct sp_frame f = {.kind = kinds[rig_random(r) % sizeof kinds]};
    switch (f.kind) {
    case SP_KIND_ACK:
        f.u.ack.largest = (uint32_t)(rig_random(r) % (l->last_pn + 2));
        f.u.ack.delay = (uint8_t)rig_random(r);
        f.u.ack.loss = (uint8_t)rig_random(r);
        f.u.ack.first = (uint8_t)(rig_random(r) % 4);
        f.u.ack.n = (uint8_t)(rig_random(r) % 4);
        for (size_t i = 0; i < f.u.ack.n; i++) {
            f.u.ack.gaps[i].gap = (uint8_t)(1 + rig_random(r) % 3);
            f.u.ack.gaps[i].len = (uint8_t)(1 + rig_random(r) % 3);
        }
        break;
    case SP_KIND_PATH_CHALLENGE:
    case SP_KIND_PATH_RESPONSE:
        f.u.path.data[0] = (uint8_t)rig_random(r);
        break;
    case SP_KIND_OPTIONS:
        f.u.options = (struct sp_frame_options){.rev = (uint8_t)rig_random(r),
                                                .ackdelay_ms = (uint8_t)rig_random(r),
                                                .keepalive_s = (uint16_t)rig_random(r),
                                                .datagram = (uint16_t)rig_random(r)};
        break;
    default:
        break;
    }
    return f;
}

/* Whatever an authenticated peer sends from wherever, nothing crashes, spins or leaks, and every ref returns.
 */
Test(link, survives_a_hostile_peer)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig *r = rig_open(seed);
        uint64_t pn[2] = {1, 1};
        for (int k = 0; k < 400; k++) {
            int to = (int)(rig_random(r) % 2);
            struct rig_side *s = &r->side[to];
            if (s->events[SP_LINK_CLOSED] == 0 && rig_chance(r, 500))
                rig_submit(r, to, rig_random(r) % SP_PART_MAX);
            struct sp_frame frames[3];
            size_t n = rig_random(r) % 4;
            for (size_t i = 0; i < n; i++)
                frames[i] = hostile_frame(r, to);
            pn[to] += rig_random(r) % 20;
            struct sp_addr home = r->client_addr;
            if (rig_chance(r, 300))
                r->client_addr = rig_addr((uint8_t)rig_random(r), (uint16_t)(rig_random(r) % 4));
            rig_forge(r, to, pn[to]++, frames, n);
            r->client_addr = home;
            r->now += (sp_time)(rig_random(r) % (uint64_t)(60 * SP_MS));
            r->is_dead[0] = r->is_dead[1] = true; /* the two links never hear each other */
            rig_step(r, to);
        }
        rig_run_for(r, 300 * 1000 * SP_SECOND); /* a declared keepalive may be 18 hours */
        for (int i = 0; i < 2; i++) {
            struct rig_side *s = &r->side[i];
            cr_assert_eq(s->events[SP_LINK_CLOSED], 1);
            cr_assert_eq(s->acked_n + s->dropped_n, s->submitted);
            cr_assert_eq(s->link.queue.frames, 0);
        }
        rig_close(r);
    }
}
