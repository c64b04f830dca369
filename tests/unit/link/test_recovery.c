/* Loss, probes, dark: rules 3 to 6 of docs/protocol.md, section 6, driven packet by packet. */
#include "link_rig.h"

#define RTT (100 * SP_MS)
#define WHO CLIENT

static struct rig *r;
static struct sp_link *l;
static uint64_t peer_pn;

static void setup(void)
{
    r = rig_open(1);
    /* A settled link: RTT 100 ms, no variation, nothing in flight. */
    for (int i = 0; i < 40; i++) {
        rig_submit(r, WHO, 20);
        rig_run_for(r, 300 * SP_MS);
    }
    l = &r->side[WHO].link;
    cr_assert_eq(l->inflight.counted, 0);
    peer_pn = r->side[GATEWAY].link.next_pn + 10;
}

static void teardown(void)
{
    rig_close(r);
}

TestSuite(recovery, .init = setup, .fini = teardown);

/* Sends what is due; returns the number of the last datagram, 0 when none left. */
static uint64_t transmit(void)
{
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    uint64_t pn = 0;
    while (sp_link_transmit(l, &d, r->now) == 0)
        pn = l->last_pn;
    return pn;
}

/* A new frame in a datagram of its own. */
static uint64_t send_one(void)
{
    cr_assert_eq(rig_submit(r, WHO, 20), 0);
    return transmit();
}

static void ack(uint64_t largest, unsigned first)
{
    struct sp_frame f = {.kind = SP_KIND_ACK,
                         .u.ack = {.largest = (uint32_t)largest, .first = (uint8_t)first}};
    cr_assert_eq(rig_forge(r, WHO, peer_pn++, &f, 1), 0);
    rig_poll(r, WHO);
}

/* Lets time pass to the next deadline. */
static void wait_for_deadline(void)
{
    transmit();
    cr_assert_geq(sp_link_deadline(l), r->now);
    r->now = sp_link_deadline(l);
}

static void advance(sp_time t)
{
    r->now += t;
}

static uint32_t acked(void)
{
    return r->side[WHO].acked_n;
}

Test(recovery, an_ack_ends_its_frames)
{
    uint32_t before = acked();
    uint64_t a = send_one();
    uint64_t b = send_one();
    advance(RTT);
    ack(b, 0);
    cr_assert_eq(acked(), before + 1);
    ack(b, (unsigned)(b - a));
    cr_assert_eq(acked(), before + 2);
    ack(b, (unsigned)(b - a));
    cr_assert_eq(acked(), before + 2, "repeated ranges tell nothing new");
    cr_assert_eq(l->queue.frames, 0);
    cr_assert_eq(l->inflight.bytes, 0);
}

/* The PTO follows a change of what it is made of when the estimates hear of one. */
static void make_pto_later(void)
{
    l->rtt.rttvar = 20 * SP_MS;
    sp_rtt_note_delay(&l->rtt, l->rtt.peer_delay);
}

Test(recovery, lost_when_overtaken_and_an_eighth_of_a_round_trip_late)
{
    make_pto_later();
    send_one();
    sp_time sent = r->now;
    advance(5 * SP_MS);
    uint64_t b = send_one();
    advance(RTT);
    ack(b, 0);
    cr_assert_eq(l->stats.packets_lost, 0);
    sp_time due = sent + sp_rtt_lost_after(&l->rtt);
    transmit();
    cr_assert_eq(sp_link_deadline(l), due);
    r->now = due - 1;
    transmit();
    cr_assert_eq(l->stats.packets_lost, 0);
    r->now = due;
    uint64_t again = transmit();
    cr_assert_gt(again, b);
    cr_assert_eq(l->stats.packets_lost, 1);
    cr_assert_eq(l->stats.probes, 0);
}

Test(recovery, no_three_packet_rule)
{
    send_one();
    uint64_t last = 0;
    for (int i = 0; i < 10; i++)
        last = send_one();
    advance(RTT);
    ack(last, 9);
    cr_assert_eq(l->stats.packets_lost, 0, "ten later packets arrived, but no time has passed");
}

Test(recovery, a_late_ack_undoes_the_loss_and_raises_the_tolerance)
{
    uint32_t before = acked();
    uint64_t a = send_one();
    uint64_t b = send_one();
    advance(RTT + 15 * SP_MS);
    ack(b, 0);
    transmit();
    advance(20 * SP_MS);
    transmit();
    cr_assert_eq(l->stats.packets_lost, 1);
    sp_time age = sp_rtt_lost_after(&l->rtt);
    ack(b, (unsigned)(b - a));
    cr_assert_eq(l->stats.packets_spurious, 1);
    cr_assert_eq(acked(), before + 2);
    cr_assert_gt(sp_rtt_lost_after(&l->rtt), age);
    cr_assert_eq(l->queue.frames, 0, "the copy that went again is withdrawn");
    ack(l->last_pn, 0);
    cr_assert_eq(acked(), before + 2, "and its ACK tells nothing");
}

Test(recovery, a_frame_goes_again_after_its_own_pto)
{
    send_one();
    sp_time first = r->now;
    sp_time pto = sp_rtt_pto(&l->rtt);
    cr_assert(pto >= RTT + 10 * SP_MS && pto <= RTT + 30 * SP_MS, "%ld", (long)pto);
    advance(pto / 2);
    send_one(); /* a later frame does not put off the first one's timer */
    cr_assert_eq(sp_link_deadline(l), first + pto);
    r->now = first + pto - 1;
    cr_assert_eq(transmit(), 0);
    r->now = first + pto;
    cr_assert_neq(transmit(), 0);
    cr_assert_eq(l->stats.probes, 1);
}

Test(recovery, probes_follow_the_factors_into_the_dark)
{
    static const int halves[] = {2, 2, 2, 3};
    send_one();
    sp_time pto = sp_rtt_pto(&l->rtt);
    for (int i = 0; i < 4; i++) {
        cr_assert_not(l->recovery.is_dark);
        cr_assert_eq(sp_link_deadline(l), r->now + pto * halves[i] / 2, "probe %d", i);
        wait_for_deadline();
        cr_assert_neq(transmit(), 0);
        rig_poll(r, WHO);
    }
    cr_assert(l->recovery.is_dark);
    cr_assert_eq(r->side[WHO].events[SP_LINK_DARK], 1);
    cr_assert_eq(l->congestion.cwnd, 2 * SP_DATAGRAM_MAX);

    sp_time wait = 2 * pto;
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(sp_link_deadline(l), r->now + wait, "PING %d", i);
        wait_for_deadline();
        uint64_t before = l->last_pn;
        cr_assert_neq(transmit(), 0);
        cr_assert_leq(l->last_pn - before, 2, "one datagram, and perhaps a skipped number");
        wait = 2 * wait < SP_RECOVERY_DARK_MAX ? 2 * wait : SP_RECOVERY_DARK_MAX;
        if (r->now - l->recovery.heard_at > 50 * SP_SECOND)
            break;
    }
}

Test(recovery, anything_heard_ends_the_dark_and_resends)
{
    uint32_t before = acked();
    for (int i = 0; i < 8; i++) {
        rig_submit(r, WHO, SP_PART_MAX);
        transmit();
    }
    for (int i = 0; i < 8; i++) {
        wait_for_deadline();
        transmit();
        rig_poll(r, WHO);
    }
    cr_assert(l->recovery.is_dark);
    struct sp_frame pad = {.kind = SP_KIND_PAD};
    cr_assert_eq(rig_forge(r, WHO, peer_pn++, &pad, 1), 0);
    rig_poll(r, WHO);
    cr_assert_eq(r->side[WHO].events[SP_LINK_HEARD], 1);
    cr_assert_neq(transmit(), 0);
    cr_assert_leq(l->queue.waiting, 4, "four datagrams go whatever the window");
    advance(RTT);
    ack(l->last_pn, 0);
    cr_assert_gt(acked(), before);
}

Test(recovery, high_loss_earns_more_probes_before_the_dark)
{
    static const struct {
        unsigned percent, least, most;
    } rows[] = {{0, 3, 3}, {5, 3, 3}, {20, 4, 4}, {30, 6, 6}, {60, 8, 8}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        r->now += SP_SECOND;
        struct sp_frame pad = {.kind = SP_KIND_PAD};
        cr_assert_eq(rig_forge(r, WHO, peer_pn++, &pad, 1), 0);
        transmit();
        if (l->last_pn > l->recovery.largest_acked)
            ack(l->last_pn, 0);
        l->loss.fast = l->loss.slow = SP_LOSS_ONE * rows[i].percent / 100;
        send_one();
        unsigned rounds = 0;
        while (!l->recovery.is_dark && rounds < 20) {
            wait_for_deadline();
            transmit();
            rig_poll(r, WHO);
            rounds++;
        }
        cr_assert(rounds - 1 >= rows[i].least && rounds - 1 <= rows[i].most, "%u %%: %u probes",
                  rows[i].percent, rounds - 1);
    }
}

Test(recovery, an_ack_resets_the_factors)
{
    send_one();
    for (int i = 0; i < 3; i++) {
        wait_for_deadline();
        transmit();
    }
    cr_assert_eq(l->recovery.backoff, 3);
    struct sp_frame pad = {.kind = SP_KIND_PAD};
    cr_assert_eq(rig_forge(r, WHO, peer_pn++, &pad, 1), 0);
    cr_assert_eq(l->recovery.backoff, 3, "hearing alone does not");
    cr_assert_eq(l->recovery.probes, 0);
    ack(l->last_pn, 0);
    cr_assert_eq(l->recovery.backoff, 0);
}

Test(recovery, a_burst_that_expires_together_is_one_round)
{
    for (int i = 0; i < 10; i++) {
        send_one();
        advance(SP_MS);
    }
    uint64_t before = l->stats.probes;
    for (int i = 0; i < 10; i++) {
        wait_for_deadline();
        transmit();
    }
    cr_assert_eq(l->stats.probes, before + 1);
    cr_assert_eq(l->recovery.backoff, 1);
}

Test(recovery, in_silence_two_datagrams_a_round_go_again)
{
    for (int i = 0; i < 9; i++)
        rig_submit(r, WHO, SP_PART_MAX);
    transmit();
    cr_assert_eq(l->queue.waiting, 0);
    uint64_t before = l->stats.packets_sent;
    wait_for_deadline();
    transmit();
    uint64_t n = l->stats.packets_sent - before;
    cr_assert(n >= 2 && n <= 3, "%lu", (unsigned long)n);
    wait_for_deadline();
    before = l->stats.packets_sent;
    transmit();
    n = l->stats.packets_sent - before;
    cr_assert(n >= 2 && n <= 3, "%lu", (unsigned long)n);
    struct sp_frame pad = {.kind = SP_KIND_PAD};
    cr_assert_eq(rig_forge(r, WHO, peer_pn++, &pad, 1), 0);
    advance(SP_MS);
    transmit();
    cr_assert_eq(l->queue.waiting, 0);
    cr_assert_geq(l->stats.packets_sent - before, 5, "heard again: all that is due goes");
}

Test(recovery, overdue_packets_leave_the_window)
{
    for (int i = 0; i < 9; i++)
        rig_submit(r, WHO, SP_PART_MAX);
    transmit();
    cr_assert_gt(l->inflight.bytes, 8000);
    for (uint64_t ref = 1; ref <= r->side[WHO].submitted; ref++)
        sp_link_cancel(l, ref);
    advance(sp_rtt_pto(&l->rtt));
    transmit();
    for (int i = 0; i < 9; i++)
        rig_submit(r, WHO, SP_PART_MAX);
    transmit();
    cr_assert_eq(l->queue.waiting, 0, "no frame was left that could time out for them");
}

Test(recovery, samples_come_from_the_largest_newly_acknowledged)
{
    uint64_t a = send_one();
    advance(10 * SP_MS);
    uint64_t b = send_one();
    advance(RTT);
    ack(b, 0);
    cr_assert_eq(l->rtt.latest, RTT);
    advance(500 * SP_MS);
    ack(b, (unsigned)(b - a));
    cr_assert_eq(l->rtt.latest, RTT, "b was known: its delay says nothing about a");
}

Test(recovery, lost_packets_are_forgotten_in_time)
{
    make_pto_later();
    send_one();
    uint64_t b = send_one();
    advance(RTT);
    ack(b, 0);
    wait_for_deadline();
    transmit();
    cr_assert_eq(l->inflight.lost_n, 1);
    advance(4 * sp_rtt_pto(&l->rtt));
    transmit();
    cr_assert_eq(l->inflight.lost_n, 0);
}

Test(recovery, a_lost_packet_does_not_resend_what_went_again_already)
{
    uint64_t a = send_one();
    struct sp_queue_frame *f = sp_queue_oldest(&l->queue);
    wait_for_deadline();
    uint64_t b = transmit();
    cr_assert(b > a && f->sends == 2);
    advance(SP_MS);
    uint64_t c = send_one();
    advance(RTT);
    ack(c, 0);
    transmit();
    cr_assert_eq(l->stats.packets_lost, 1, "the first one is judged");
    cr_assert_eq(f->sends, 2, "the second is still on its way");
}
