/* What rides in a datagram: packet numbers, ACKs, order, window, sizes. */
#include "link_rig.h"

#define FRAMES_MAX 200

struct look {
    uint64_t pn;
    struct sp_frame frames[FRAMES_MAX];
    size_t n;
};

static bool look(struct rig *r, int who, struct look *out)
{
    return rig_look(r, who, &out->pn, out->frames, FRAMES_MAX, &out->n) == 0;
}

static size_t count(const struct look *l, uint8_t kind)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += l->frames[i].kind == kind;
    return n;
}

Test(build, skips_one_number_in_256_to_1024)
{
    struct rig *r = rig_open(1);
    static struct look seen;
    uint64_t last = 0, last_skip = 0;
    unsigned skips = 0;
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < 16000; i++) {
        r->side[CLIENT].link.recovery.wants_ping = true;
        cr_assert(look(r, CLIENT, &seen));
        cr_assert(seen.pn == last + 1 || seen.pn == last + 2);
        if (seen.pn == last + 2) {
            uint64_t distance = last + 1 - last_skip;
            least = distance < least ? distance : least;
            most = distance > most ? distance : most;
            last_skip = last + 1;
            skips++;
        }
        last = seen.pn;
    }
    cr_assert(skips >= 16 && skips <= 60, "%u skips", skips);
    cr_assert(least >= 256 && least < 500 && most <= 1024 && most > 800, "%lu..%lu", (unsigned long)least,
              (unsigned long)most);
    rig_close(r);
}

Test(build, stays_within_16384_of_the_largest_acknowledged)
{
    struct rig *r = rig_open(2);
    static struct look seen;
    uint64_t last = 0;
    for (int i = 0; i < 20000; i++) {
        r->side[CLIENT].link.recovery.wants_ping = true;
        if (!look(r, CLIENT, &seen))
            break;
        last = seen.pn;
    }
    cr_assert(last >= 16382 && last <= 16384, "%lu", (unsigned long)last);
    struct sp_frame f = {.kind = SP_KIND_ACK, .u.ack.largest = 10};
    cr_assert_eq(rig_forge(r, CLIENT, 1, &f, 1), 0);
    r->side[CLIENT].link.recovery.wants_ping = true;
    cr_assert(look(r, CLIENT, &seen));
    rig_close(r);
}

Test(build, the_256th_packet_asks_for_an_ack)
{
    struct rig *r = rig_open(3);
    static struct look seen;
    rig_run_for(r, SP_SECOND);
    struct sp_link *l = &r->side[GATEWAY].link;
    l->quiet = 0;
    for (int i = 1; i <= 600; i++) {
        l->ack_now = true;
        cr_assert(look(r, GATEWAY, &seen), "packet %d", i);
        cr_assert_eq(count(&seen, SP_KIND_ACK), 1);
        cr_assert_eq(count(&seen, SP_KIND_PING), i % 256 == 0, "packet %d", i);
    }
    rig_close(r);
}

Test(build, serves_control_then_interactive_then_the_rest)
{
    struct rig *r = rig_open(4);
    static struct look seen;
    rig_run_for(r, SP_SECOND);
    struct sp_link *l = &r->side[GATEWAY].link;
    struct sp_frame bulk = rig_frame(GATEWAY, 1, 50), chat = rig_frame(GATEWAY, 2, 50);
    struct sp_frame answer = {.kind = SP_KIND_MSG_A, .u.msg_a = {.msgid.v = 3, .state = 1, .seq.v = 1}};
    bulk.u.msg_n.flags = 2 << SP_MSG_CLASS_SHIFT;
    cr_assert_eq(sp_link_submit(l, &bulk, 1, r->now), 0);
    cr_assert_eq(sp_link_submit(l, &chat, 2, r->now), 0);
    cr_assert_eq(sp_link_submit(l, &answer, 3, r->now), 0);
    cr_assert(look(r, GATEWAY, &seen));
    cr_assert_eq(seen.n, 4, "one datagram for all: %zu frames", seen.n);
    cr_assert_eq(seen.frames[0].kind, SP_KIND_ACK);
    cr_assert_eq(seen.frames[1].kind, SP_KIND_MSG_A);
    cr_assert_eq(seen.frames[2].u.msg_n.seq.v, 3);
    cr_assert_eq(seen.frames[3].u.msg_n.seq.v, 2);
    cr_assert_not(look(r, GATEWAY, &seen));
    rig_close(r);
}

Test(build, an_ack_rides_along_while_it_is_news)
{
    struct rig *r = rig_open(5);
    static struct look seen;
    rig_run_for(r, SP_SECOND);
    struct sp_link *l = &r->side[GATEWAY].link;
    struct sp_frame ping = {.kind = SP_KIND_PING};
    cr_assert_eq(rig_forge(r, GATEWAY, r->side[CLIENT].link.next_pn, &ping, 1), 0);
    /* Within a round trip every datagram carries it; later ones until it was repeated three times. */
    static const struct {
        int after_ms;
        bool carries;
    } rows[] = {{0, true},  {20, true}, {20, true},  {20, true},
                {20, true}, {18, true}, {20, false}, {200, false}};
    static const bool slow[] = {true, true, true, true, false};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sp_frame f = rig_frame(GATEWAY, (uint32_t)i, 10);
        r->now += rows[i].after_ms * SP_MS;
        cr_assert_eq(sp_link_submit(l, &f, 1, r->now), 0);
        cr_assert(look(r, GATEWAY, &seen));
        cr_assert_eq(count(&seen, SP_KIND_ACK), rows[i].carries, "datagram %zu", i);
    }
    struct sp_frame pad = {.kind = SP_KIND_PAD};
    cr_assert_eq(rig_forge(r, GATEWAY, r->side[CLIENT].link.next_pn + 1, &pad, 1), 0);
    for (size_t i = 0; i < sizeof slow / sizeof slow[0]; i++) {
        struct sp_frame f = rig_frame(GATEWAY, (uint32_t)i, 10);
        r->now += 130 * SP_MS;
        cr_assert_eq(sp_link_submit(l, &f, 1, r->now), 0);
        cr_assert(look(r, GATEWAY, &seen));
        cr_assert_eq(count(&seen, SP_KIND_ACK), slow[i], "slow datagram %zu", i);
    }
    rig_close(r);
}

Test(build, acks_at_once_when_slow_and_every_second_when_busy)
{
    struct rig *r = rig_open(6);
    static struct look seen;
    rig_run_for(r, SP_SECOND);
    uint64_t pn = r->side[CLIENT].link.next_pn;
    struct sp_frame ping = {.kind = SP_KIND_PING};
    struct sp_frame msg = rig_frame(CLIENT, 0, 10);
    rig_submit(r, CLIENT, 10);

    cr_assert_eq(rig_forge(r, GATEWAY, pn++, &ping, 1), 0);
    cr_assert(look(r, GATEWAY, &seen), "nothing to wait for");
    cr_assert_eq(rig_forge(r, GATEWAY, pn++, &msg, 1), 0);
    cr_assert_not(look(r, GATEWAY, &seen), "an answer may be ready soon");
    cr_assert_eq(sp_link_deadline(&r->side[GATEWAY].link), r->now + 2 * SP_MS);
    r->now += 2 * SP_MS;
    cr_assert(look(r, GATEWAY, &seen));
    cr_assert_eq(seen.frames[0].u.ack.largest, pn - 1);
    cr_assert_eq(seen.frames[0].u.ack.delay, 8, "2 ms in units of 250 us");

    unsigned acks = 0;
    for (int i = 0; i < 60; i++) {
        cr_assert_eq(rig_forge(r, GATEWAY, pn++, &ping, 1), 0);
        acks += look(r, GATEWAY, &seen);
        r->now += SP_MS;
    }
    cr_assert(acks >= 30 && acks <= 38, "%u ACKs for 60", acks);
    cr_assert_eq(rig_forge(r, GATEWAY, pn++, &ping, 1), 0);
    if (!look(r, GATEWAY, &seen)) {
        cr_assert_eq(sp_link_deadline(&r->side[GATEWAY].link), r->now + 5 * SP_MS, "the gateway's ACK delay");
        r->now += 5 * SP_MS;
        cr_assert(look(r, GATEWAY, &seen));
    }
    rig_close(r);
}

Test(build, packets_without_demand_are_not_acknowledged)
{
    struct rig *r = rig_open(7);
    static struct look seen;
    rig_run_for(r, SP_SECOND);
    uint64_t pn = r->side[CLIENT].link.next_pn;
    struct sp_frame pad = {.kind = SP_KIND_PAD};
    cr_assert_eq(rig_forge(r, GATEWAY, pn, &pad, 1), 0);
    cr_assert_eq(rig_forge(r, GATEWAY, pn + 1, NULL, 0), 0, "a packet without frames is valid");
    cr_assert_not(look(r, GATEWAY, &seen));
    r->now += 100 * SP_MS;
    cr_assert_not(look(r, GATEWAY, &seen));
    rig_close(r);
}

Test(build, the_largest_message_and_the_longest_ack_share_a_datagram)
{
    struct rig *r = rig_open(8);
    static struct look seen;
    static uint8_t name[SP_USER_MAX];
    rig_run_for(r, SP_SECOND);
    struct sp_link *l = &r->side[GATEWAY].link;
    uint64_t pn = r->side[CLIENT].link.next_pn;
    struct sp_frame ping = {.kind = SP_KIND_PING};
    for (int i = 0; i < 10; i++)
        cr_assert_eq(rig_forge(r, GATEWAY, pn + (uint64_t)i * 2, &ping, 1), 0);
    struct sp_frame f = rig_frame(GATEWAY, 0, SP_PART_MAX);
    f.u.msg_n.flags = SP_MSG_FRAG | SP_MSG_GROUP;
    f.u.msg_n.from.p = f.u.msg_n.group.p = name;
    f.u.msg_n.from.n = f.u.msg_n.group.n = SP_USER_MAX;
    f.u.msg_n.count = 2;
    cr_assert_eq(sp_link_submit(l, &f, 1, r->now), 0);
    cr_assert_eq(l->queue.waiting, 1);
    cr_assert(look(r, GATEWAY, &seen));
    cr_assert_eq(seen.n, 2);
    cr_assert(seen.frames[0].kind == SP_KIND_ACK && seen.frames[0].u.ack.n == SP_ACK_GAPS_MAX);
    cr_assert_eq(seen.frames[1].u.msg_n.body.n, SP_PART_MAX);
    rig_close(r);
}

Test(build, small_frames_share_datagrams_of_1200_bytes)
{
    struct rig *r = rig_open(9);
    rig_run_for(r, SP_SECOND);
    for (int i = 0; i < 100; i++)
        rig_submit(r, CLIENT, 100);
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    unsigned n = 0, full = 0;
    while (sp_link_transmit(&r->side[CLIENT].link, &d, r->now) == 0) {
        cr_assert_leq(d.len, SP_DATAGRAM_MAX);
        full += d.len > SP_DATAGRAM_MAX - 120;
        n++;
    }
    cr_assert_eq(n, 10, "%u datagrams: the first window", n);
    cr_assert_geq(full, 9);
    rig_close(r);
}

Test(build, the_window_blocks_frames_but_neither_acks_nor_paths_nor_probes)
{
    struct rig *r = rig_open(10);
    static struct look seen;
    rig_run_for(r, SP_SECOND);
    struct sp_link *l = &r->side[GATEWAY].link;
    for (int i = 0; i < 30; i++)
        rig_submit(r, GATEWAY, SP_PART_MAX);
    unsigned n = 0;
    while (look(r, GATEWAY, &seen))
        n++;
    cr_assert(n >= 10 && n <= 12, "%u datagrams", n);
    cr_assert_gt(l->queue.waiting, 0);

    static const struct sp_frame asks[] = {{.kind = SP_KIND_PATH_CHALLENGE, .u.path.data = {1, 2}}};
    cr_assert_eq(rig_forge(r, GATEWAY, r->side[CLIENT].link.next_pn, asks, 1), 0);
    cr_assert(look(r, GATEWAY, &seen));
    cr_assert_eq(count(&seen, SP_KIND_PATH_RESPONSE), 1);
    cr_assert_eq(count(&seen, SP_KIND_ACK), 1);
    cr_assert_eq(count(&seen, SP_KIND_MSG_N), 0);
    cr_assert_not(look(r, GATEWAY, &seen));

    r->now += sp_link_pto(l) + SP_MS; /* probes: two datagrams pass whatever the window says */
    l->congestion.cwnd = 1;
    n = 0;
    while (look(r, GATEWAY, &seen))
        n++;
    cr_assert(n >= 2 && n <= 4, "%u probes", n);
    rig_close(r);
}

Test(build, answers_go_where_the_challenge_came_from)
{
    struct rig *r = rig_open(11);
    rig_run_for(r, SP_SECOND);
    struct sp_frame ask = {.kind = SP_KIND_PATH_CHALLENGE, .u.path.data = {7}};
    uint64_t pn = r->side[CLIENT].link.next_pn;
    struct sp_frame ping = {.kind = SP_KIND_PING};
    cr_assert_eq(rig_forge(r, GATEWAY, pn + 3, &ping, 1), 0);
    struct sp_addr home = r->client_addr;
    r->client_addr = rig_addr(77, 70);
    cr_assert_eq(rig_forge(r, GATEWAY, pn, &ask, 1), 0, "older than the newest: no move");
    r->client_addr = home;
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    cr_assert_eq(sp_link_transmit(&r->side[GATEWAY].link, &d, r->now), 0);
    cr_assert_eq(d.peer.ip[3], 77);
    cr_assert_eq(d.len, 19 + 9);
    cr_assert_eq(sp_link_transmit(&r->side[GATEWAY].link, &d, r->now), 0);
    cr_assert(sp_path_is_same(&d.peer, &home));
    rig_close(r);
}

Test(build, bursts_are_spaced)
{
    struct rig *r = rig_open(12);
    rig_run_for(r, SP_SECOND);
    struct sp_link *l = &r->side[GATEWAY].link;
    l->congestion.cwnd = 100 * SP_DATAGRAM_MAX;
    for (int i = 0; i < 60; i++)
        rig_submit(r, GATEWAY, SP_PART_MAX);
    static struct look seen;
    unsigned n = 0;
    while (look(r, GATEWAY, &seen))
        n++;
    cr_assert(n >= 10 && n <= 12, "%u at once", n);
    sp_time at = sp_link_deadline(l);
    cr_assert(at > r->now && at <= r->now + 2 * SP_MS);
    sp_time start = r->now;
    while (n < 60 && r->now < start + SP_SECOND) {
        r->now = sp_link_deadline(l);
        while (look(r, GATEWAY, &seen))
            n++;
    }
    cr_assert_eq(n, 60);
    cr_assert(r->now - start >= 30 * SP_MS && r->now - start <= 50 * SP_MS,
              "50 datagrams at 1250 per second: %ld us", (long)(r->now - start));
    rig_close(r);
}
