/* rng.c: the stream, its bounds, its jitter. */
#include "rng.h"

#include "crypto_sodium.h"

#include <criterion/criterion.h>

#include <string.h>

static struct sp_rng seeded(uint8_t fill)
{
    struct sp_rng r;
    uint8_t seed[32];
    memset(seed, fill, sizeof seed);
    sp_rng_init(&r, sp_crypto_sodium(), seed);
    return r;
}

Test(rng, same_seed_same_stream_however_it_is_cut)
{
    uint8_t whole[500];
    uint8_t cut[500];
    struct sp_rng a = seeded(1);
    sp_rng_bytes(&a, whole, sizeof whole);
    for (size_t step = 1; step < 70; step++) {
        struct sp_rng b = seeded(1);
        for (size_t at = 0; at < sizeof cut; at += step)
            sp_rng_bytes(&b, cut + at, sizeof cut - at < step ? sizeof cut - at : step);
        cr_assert_arr_eq(cut, whole, sizeof whole, "cut by %zu", step);
    }
}

Test(rng, other_seed_other_stream)
{
    uint8_t x[32];
    uint8_t y[32];
    struct sp_rng a = seeded(1);
    struct sp_rng b = seeded(2);
    sp_rng_bytes(&a, x, sizeof x);
    sp_rng_bytes(&b, y, sizeof y);
    cr_assert_neq(memcmp(x, y, sizeof x), 0);
}

Test(rng, state_keeps_nothing_of_what_it_gave)
{
    uint8_t given[32];
    struct sp_rng r = seeded(3);
    uint8_t seed[32];
    memset(seed, 3, sizeof seed);
    cr_assert_neq(memcmp(r.seed, seed, sizeof seed), 0, "the seed is still there");
    sp_rng_bytes(&r, given, sizeof given);
    cr_assert_neq(memcmp(r.block, given, sizeof given), 0, "the block is still there");
}

Test(rng, below_stays_below_and_reaches_all)
{
    static const uint64_t bounds[] = {1, 2, 3, 7, 10, 64};
    struct sp_rng r = seeded(4);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        unsigned hits[64] = {0};
        for (unsigned k = 0; k < 200 * bounds[i]; k++) {
            uint64_t v = sp_rng_below(&r, bounds[i]);
            cr_assert_lt(v, bounds[i]);
            hits[v]++;
        }
        /* 200 expected, deviation 14: outside 100..300 once in 10^12 */
        for (uint64_t v = 0; v < bounds[i]; v++)
            cr_assert(hits[v] >= 100 && hits[v] <= 300, "%u of %u for %u", hits[v], 200, (unsigned)bounds[i]);
    }
}

Test(rng, below_takes_the_largest_bounds)
{
    static const uint64_t bounds[] = {UINT64_MAX, UINT64_MAX / 2 + 2, (uint64_t)1 << 63};
    struct sp_rng r = seeded(5);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        for (int k = 0; k < 1000; k++)
            cr_assert_lt(sp_rng_below(&r, bounds[i]), bounds[i]);
    }
}

Test(rng, jitter_keeps_its_limits_and_uses_them)
{
    struct sp_rng r = seeded(6);
    sp_time least = SP_NEVER;
    sp_time most = 0;
    for (int i = 0; i < 20000; i++) {
        sp_time t = sp_rng_jitter(&r, 1000, 20);
        least = t < least ? t : least;
        most = t > most ? t : most;
    }
    cr_assert_eq(least, 800);
    cr_assert_eq(most, 1200);
    cr_assert_eq(sp_rng_jitter(&r, 0, 100), 0);
    cr_assert_eq(sp_rng_jitter(&r, 12345, 0), 12345);
    cr_assert_eq(sp_rng_jitter(&r, SP_NEVER, 20), SP_NEVER);
    for (int i = 0; i < 1000; i++) {
        sp_time t = sp_rng_jitter(&r, SP_NEVER / 4, 100);
        cr_assert(t >= 0 && t <= SP_NEVER / 2);
    }
}
