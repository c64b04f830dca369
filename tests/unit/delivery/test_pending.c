/* The timers of docs/protocol.md, section 5.5, as a table. */
#include "pending.h"

#include "crypto_sodium.h"

#include <criterion/criterion.h>

#define S SP_SECOND

static const struct {
    enum sp_pending_kind kind;
    unsigned tries;
    sp_time three_pto, wait;
} schedule[] = {
    {SP_PENDING_T1, 0, 300 * SP_MS, 1 * S},  {SP_PENDING_T1, 0, 1500 * SP_MS, 1500 * SP_MS},
    {SP_PENDING_T1, 1, 300 * SP_MS, 2 * S},  {SP_PENDING_T1, 5, 300 * SP_MS, 32 * S},
    {SP_PENDING_T1, 6, 300 * SP_MS, 60 * S}, {SP_PENDING_T1, 255, 300 * SP_MS, 60 * S},
    {SP_PENDING_T1, 0, 90 * S, 60 * S},      {SP_PENDING_T1_FOUR, 0, 0, 3 * S},
    {SP_PENDING_T1_FOUR, 1, 0, 6 * S},       {SP_PENDING_T1_FOUR, 0, 4 * S, 4 * S},
    {SP_PENDING_T2, 0, 100 * S, 60 * S},     {SP_PENDING_T2, 1, 0, 120 * S},
    {SP_PENDING_T2, 5, 0, 1920 * S},         {SP_PENDING_T2, 6, 0, 3600 * S},
    {SP_PENDING_ACK_R, 0, 20 * S, 5 * S},    {SP_PENDING_ACK_R, 3, 0, 40 * S},
    {SP_PENDING_ACK_R, 4, 0, 60 * S},        {SP_PENDING_PULL, 0, 1 * S, 2 * S},
    {SP_PENDING_PULL, 0, 5 * S, 5 * S},      {SP_PENDING_PULL, 3, 1 * S, 16 * S},
    {SP_PENDING_PULL, 4, 1 * S, 30 * S},
};

Test(pending, waits_as_the_table_says)
{
    for (size_t i = 0; i < sizeof schedule / sizeof schedule[0]; i++)
        cr_expect_eq(sp_pending_wait_us(schedule[i].kind, schedule[i].tries, schedule[i].three_pto),
                     schedule[i].wait, "row %zu", i);
}

static void seeded(struct sp_rng *rng)
{
    uint8_t seed[32] = {7};
    sp_rng_init(rng, sp_crypto_sodium(), seed);
}

Test(pending, repeats_with_jitter_and_doubling)
{
    struct sp_rng rng;
    struct sp_pending p;
    sp_time lowest = SP_NEVER, highest = 0;
    seeded(&rng);
    for (int i = 0; i < 500; i++) {
        sp_pending_start(&p, SP_PENDING_PULL, 9, 0, &rng, 100);
        cr_assert(p.is_waiting);
        cr_assert_eq(p.id, 9);
        cr_assert_not(sp_pending_is_due(&p, p.due - 1));
        cr_assert(sp_pending_is_due(&p, p.due));
        lowest = p.due < lowest ? p.due : lowest;
        highest = p.due > highest ? p.due : highest;
        sp_pending_again(&p, 0, &rng, 100);
        cr_assert_geq(p.due, 100 + 3200 * SP_MS);
        cr_assert_leq(p.due, 100 + 4800 * SP_MS);
    }
    cr_expect_geq(lowest, 100 + 1600 * SP_MS);
    cr_expect_leq(highest, 100 + 2400 * SP_MS);
    cr_expect_lt(lowest, 100 + 1650 * SP_MS, "the jitter must use its range");
    cr_expect_gt(highest, 100 + 2350 * SP_MS);
}

Test(pending, stops)
{
    struct sp_rng rng;
    struct sp_pending p;
    seeded(&rng);
    sp_pending_init(&p);
    cr_expect_not(sp_pending_is_due(&p, SP_NEVER));
    sp_pending_start(&p, SP_PENDING_T2, 1, 0, &rng, 0);
    sp_pending_stop(&p);
    cr_expect_not(p.is_waiting);
    cr_expect_eq(p.due, SP_NEVER);
    cr_expect_not(sp_pending_is_due(&p, SP_NEVER - 1));
}
