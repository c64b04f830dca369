/* Round-trip estimates: rules 3, 4 and 6 of docs/protocol.md, section 6. */
#include <criterion/criterion.h>

#include "rtt.h"

#define MS(n) ((sp_time)(n)*SP_MS)

static struct sp_rtt fresh(void)
{
    struct sp_rtt r;
    sp_rtt_init(&r, MS(5), 0);
    return r;
}

Test(rtt, starts_at_250_and_60)
{
    struct sp_rtt r = fresh();
    cr_assert_eq(r.srtt, MS(250));
    cr_assert_eq(r.rttvar, MS(60));
    cr_assert_eq(sp_rtt_min(&r), 0);
    cr_assert_eq(sp_rtt_pto(&r), MS(250 + 180 + 5));
}

Test(rtt, smooths_with_an_eighth_and_a_quarter)
{
    static const struct {
        int sample_ms, srtt_us, rttvar_us;
    } rows[] = {
        {100, 100000, 50000}, /* the first sample replaces the start values */
        {100, 100000, 37500}, {180, 110000, 48125}, {30, 100000, 56093}, {100, 100000, 42070},
    };
    struct sp_rtt r = fresh();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sp_rtt_sample(&r, MS(rows[i].sample_ms), 0, MS(i));
        cr_assert_eq(r.latest, MS(rows[i].sample_ms));
        cr_assert_eq(r.srtt, rows[i].srtt_us, "row %zu: srtt %ld", i, (long)r.srtt);
        cr_assert(r.rttvar >= rows[i].rttvar_us - 2 && r.rttvar <= rows[i].rttvar_us + 2,
                  "row %zu: rttvar %ld", i, (long)r.rttvar);
    }
    cr_assert_eq(sp_rtt_min(&r), MS(30));
}

Test(rtt, subtracts_the_ack_delay_only_down_to_the_minimum)
{
    struct sp_rtt r = fresh();
    sp_rtt_sample(&r, MS(100), 0, 0);
    sp_rtt_sample(&r, MS(110), MS(8), 1);
    cr_assert_eq(r.latest, MS(102));
    sp_rtt_sample(&r, MS(104), MS(8), 2);
    cr_assert_eq(r.latest, MS(104), "96 ms would be below the minimum");
    sp_rtt_sample(&r, MS(90), MS(60), 3);
    cr_assert_eq(r.latest, MS(90), "a false delay cannot lower the estimate below what was measured");
}

/* The estimates as if samples had made them; telling the delay makes the PTO follow. */
static void estimate(struct sp_rtt *r, sp_time srtt, sp_time rttvar)
{
    r->srtt = srtt;
    r->rttvar = rttvar;
    sp_rtt_note_delay(r, r->peer_delay);
}

Test(rtt, pto_leaves_5_ms_at_least_and_stretches_by_the_factors)
{
    static const int halves[] = {2, 2, 2, 3, 4, 6, 8, 8, 8};
    struct sp_rtt r = fresh();
    estimate(&r, MS(100), MS(1));
    cr_assert_eq(sp_rtt_pto(&r), MS(110));
    estimate(&r, MS(100), MS(10));
    cr_assert_eq(sp_rtt_pto(&r), MS(135));
    for (unsigned i = 0; i < sizeof halves / sizeof halves[0]; i++)
        cr_assert_eq(sp_rtt_wait(&r, i), MS(135) * halves[i] / 2, "probe %u", i);
    estimate(&r, MS(1000), MS(10));
    cr_assert_eq(sp_rtt_wait(&r, 6), SP_RTT_WAIT_MAX);
}

Test(rtt, first_wait_after_silence_is_longer_and_its_sample_tells_no_variation)
{
    struct sp_rtt r = fresh();
    estimate(&r, MS(100), MS(10));
    r.has_sample = true;
    sp_time pto = sp_rtt_pto(&r);
    sp_rtt_note_idle(&r);
    cr_assert_eq(sp_rtt_pto(&r), pto + pto / 2);
    sp_rtt_sample(&r, MS(900), 0, 5);
    cr_assert_eq(r.rttvar, MS(10));
    cr_assert_eq(r.srtt, MS(200));
    sp_rtt_sample(&r, MS(900), 0, 6);
    cr_assert_gt(r.rttvar, MS(10));
}

Test(rtt, minimum_lasts_between_5_and_10_minutes)
{
    struct sp_rtt r = fresh();
    sp_rtt_sample(&r, MS(20), 0, 0);
    sp_rtt_sample(&r, MS(50), 0, 301 * SP_SECOND);
    cr_assert_eq(sp_rtt_min(&r), MS(20));
    sp_rtt_sample(&r, MS(60), 0, 602 * SP_SECOND);
    cr_assert_eq(sp_rtt_min(&r), MS(50));
    sp_rtt_sample(&r, MS(70), 0, 3000 * SP_SECOND);
    cr_assert_eq(sp_rtt_min(&r), MS(70), "both halves are long gone");
}

Test(rtt, tolerance_doubles_once_per_round_trip_up_to_one)
{
    struct sp_rtt r = fresh();
    sp_rtt_sample(&r, MS(80), 0, 0);
    cr_assert_eq(sp_rtt_lost_after(&r), MS(90));
    sp_rtt_note_spurious(&r, MS(1000));
    cr_assert_eq(sp_rtt_lost_after(&r), MS(100));
    sp_rtt_note_spurious(&r, MS(1079));
    cr_assert_eq(sp_rtt_lost_after(&r), MS(100), "the same round trip");
    for (int i = 2; i < 10; i++)
        sp_rtt_note_spurious(&r, MS(1000 * i));
    cr_assert_eq(sp_rtt_lost_after(&r), MS(160));
    sp_rtt_sample(&r, MS(200), 0, MS(20000));
    cr_assert_eq(sp_rtt_lost_after(&r), MS(400), "the latest sample counts when it is larger");
}

Test(rtt, a_new_path_doubles_the_variation_and_forgets_the_minimum)
{
    struct sp_rtt r = fresh();
    sp_rtt_sample(&r, MS(100), 0, 0);
    sp_rtt_note_moved(&r, MS(5));
    cr_assert_eq(r.rttvar, MS(100));
    cr_assert_eq(sp_rtt_min(&r), 0);
}

Test(rtt, odd_samples_are_bounded)
{
    struct sp_rtt r = fresh();
    sp_rtt_sample(&r, 0, MS(60), 0);
    cr_assert_eq(sp_rtt_min(&r), 1);
    cr_assert_geq(r.srtt, 1);
    sp_rtt_sample(&r, INT64_MAX / 2, 0, 1);
    cr_assert_leq(r.latest, 60 * SP_SECOND);
}
