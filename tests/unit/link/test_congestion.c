/* The window: rule 12 of docs/protocol.md, section 6. */
#include <criterion/criterion.h>

#include "congestion.h"

#define D SP_DATAGRAM_MAX

static sp_time now;

/* One round trip of `rtt` in which the whole window is acknowledged by samples of `sample`, in 10 ACKs. */
static void round_trip(struct sp_congestion *c, sp_time rtt, sp_time sample, bool is_risen)
{
    uint32_t each = c->cwnd / 10;
    for (int i = 0; i < 10; i++) {
        now += rtt / 9;
        struct sp_congestion_ack a = {.bytes = each,
                                      .sample = sample,
                                      .srtt = rtt,
                                      .rttvar = 2 * SP_MS,
                                      .min_rtt = 100 * SP_MS,
                                      .loss_is_risen = is_risen};
        sp_congestion_note_full(c);
        sp_congestion_note_acked(c, &a, now);
    }
}

static struct sp_congestion fresh(void)
{
    struct sp_congestion c;
    now = 0;
    sp_congestion_init(&c, now);
    return c;
}

Test(congestion, starts_with_ten_datagrams_and_never_blocks_four)
{
    struct sp_congestion c = fresh();
    cr_assert_eq(c.cwnd, 10 * D);
    cr_assert(sp_congestion_has_room(&c, 10 * D - 1, 100));
    cr_assert_not(sp_congestion_has_room(&c, 10 * D, 100));
    cr_assert(sp_congestion_has_room(&c, 100 * D, 3));
    cr_assert_not(sp_congestion_has_room(&c, 100 * D, 4));
}

Test(congestion, doubles_until_a_queue_is_seen_then_adds_one)
{
    struct sp_congestion c = fresh();
    uint32_t before = c.cwnd;
    round_trip(&c, 100 * SP_MS, 100 * SP_MS, false);
    round_trip(&c, 100 * SP_MS, 101 * SP_MS, false);
    cr_assert(c.is_starting);
    cr_assert_geq(c.cwnd, 3 * before);
    round_trip(&c, 115 * SP_MS, 115 * SP_MS, false);
    cr_assert_not(c.is_starting);
    before = c.cwnd;
    round_trip(&c, 110 * SP_MS, 110 * SP_MS, false);
    cr_assert_eq(c.cwnd, before + D);
}

Test(congestion, an_idle_sender_does_not_grow)
{
    struct sp_congestion c = fresh();
    for (int i = 0; i < 100; i++) {
        now += 20 * SP_MS;
        struct sp_congestion_ack a = {
            .bytes = 100, .sample = 100 * SP_MS, .srtt = 100 * SP_MS, .min_rtt = 100 * SP_MS};
        sp_congestion_note_acked(&c, &a, now);
    }
    cr_assert_eq(c.cwnd, 10 * D);
}

Test(congestion, a_standing_queue_shrinks_once_per_round_to_two_datagrams)
{
    struct sp_congestion c = fresh();
    c.cwnd = 100 * D;
    round_trip(&c, 150 * SP_MS, 150 * SP_MS, false);
    cr_assert_eq(c.cwnd, 70 * D);
    for (int i = 0; i < 30; i++)
        round_trip(&c, 150 * SP_MS, 150 * SP_MS, false);
    cr_assert_eq(c.cwnd, 2 * D);
    for (int i = 0; i < 5; i++)
        round_trip(&c, 101 * SP_MS, 101 * SP_MS, false);
    cr_assert_gt(c.cwnd, 2 * D);
}

Test(congestion, jitter_without_a_queue_does_not_shrink)
{
    struct sp_congestion c = fresh();
    c.cwnd = 50 * D;
    for (int i = 0; i < 400; i++) {
        now += 15 * SP_MS;
        struct sp_congestion_ack a = {.bytes = D,
                                      .sample = (100 + i * 37 % 80) * SP_MS,
                                      .srtt = 140 * SP_MS,
                                      .rttvar = 20 * SP_MS,
                                      .min_rtt = 100 * SP_MS};
        sp_congestion_note_acked(&c, &a, now);
        cr_assert_geq(c.cwnd, 50 * D);
    }
}

Test(congestion, a_rise_of_loss_shrinks_but_not_below_the_first_window)
{
    struct sp_congestion c = fresh();
    c.cwnd = 100 * D;
    round_trip(&c, 100 * SP_MS, 100 * SP_MS, true);
    cr_assert_eq(c.cwnd, 70 * D);
    for (int i = 0; i < 30; i++)
        round_trip(&c, 100 * SP_MS, 100 * SP_MS, true);
    cr_assert_eq(c.cwnd, 10 * D);
    c.cwnd = 4 * D;
    round_trip(&c, 100 * SP_MS, 100 * SP_MS, true);
    cr_assert_eq(c.cwnd, 4 * D, "a window below it stays");
}

Test(congestion, silence_and_a_new_path_start_over)
{
    struct sp_congestion c = fresh();
    c.cwnd = 100 * D;
    sp_congestion_note_silent(&c, now);
    cr_assert_eq(c.cwnd, 2 * D);
    round_trip(&c, 100 * SP_MS, 100 * SP_MS, false);
    cr_assert_geq(c.cwnd, 3 * D);
    sp_congestion_note_moved(&c, now);
    cr_assert_eq(c.cwnd, 10 * D);
}

Test(congestion, the_window_has_a_largest_size)
{
    struct sp_congestion c = fresh();
    for (int i = 0; i < 60; i++)
        round_trip(&c, 100 * SP_MS, 100 * SP_MS, false);
    cr_assert_leq(c.cwnd, 1024 * D);
    cr_assert_geq(c.cwnd, 1000 * D);
}
