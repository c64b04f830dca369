/* The loss model: frequencies within bounds, fates that depend on nothing but what they may depend on. */
#include <criterion/criterion.h>
#include <string.h>

#include "model.h"

#define N 100000

/* Whether a count is within five standard deviations of a binomial distribution. */
static bool is_plausible(uint64_t count, uint64_t n, double share)
{
    double off = (double)count - (double)n * share;
    return off * off <= 25 * (double)n * share * (1 - share) + 1e-9;
}

static struct sp_model_fate judge(struct sp_model *m, enum sp_model_dir dir, uint64_t index, int64_t now_us)
{
    struct sp_model_packet p = {.dir = dir, .index = index, .now_us = now_us, .len = 100};
    struct sp_model_fate fate;
    sp_model_judge(m, &p, &fate);
    return fate;
}

static bool is_same(const struct sp_model_fate *a, const struct sp_model_fate *b)
{
    return a->verdict == b->verdict && a->copies == b->copies && a->delay_us[0] == b->delay_us[0] &&
           a->delay_us[1] == b->delay_us[1] && a->hold == b->hold && a->corrupt == b->corrupt &&
           a->flip_bit == b->flip_bit;
}

/* The command line of the mission's rough water. */
static const struct sp_model_config rough = {.seed = 7,
                                             .loss = {0.3, 0.3},
                                             .delay_us = 40000,
                                             .jitter_us = 20000,
                                             .dup = 0.05,
                                             .reorder = 0.05,
                                             .corrupt = 0.01};

Test(model, perfect_wire_changes_nothing)
{
    const struct sp_model_config config = {.seed = 1};
    struct sp_model m;
    sp_model_init(&m, &config);
    for (uint64_t i = 1; i <= 1000; i++) {
        struct sp_model_fate f = judge(&m, SP_MODEL_UP, i, (int64_t)i * 1000);
        cr_assert_eq(f.verdict, SP_MODEL_PASS);
        cr_assert_eq(f.copies, 1);
        cr_assert_eq(f.delay_us[0], 0);
        cr_assert_eq(f.hold, 0);
        cr_assert_not(f.corrupt);
    }
}

Test(model, independent_loss_has_its_share)
{
    static const double shares[] = {0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.9, 1};
    for (size_t k = 0; k < sizeof shares / sizeof shares[0]; k++) {
        struct sp_model_config config = {.seed = 11 + k, .loss = {shares[k], shares[k]}};
        struct sp_model m;
        sp_model_init(&m, &config);
        uint64_t lost[SP_MODEL_DIRS] = {0};
        uint64_t both = 0;
        for (uint64_t i = 1; i <= N; i++) {
            bool up = judge(&m, SP_MODEL_UP, i, 0).verdict == SP_MODEL_LOSS;
            bool down = judge(&m, SP_MODEL_DOWN, i, 0).verdict == SP_MODEL_LOSS;
            lost[SP_MODEL_UP] += up;
            lost[SP_MODEL_DOWN] += down;
            both += up && down;
        }
        cr_expect(is_plausible(lost[SP_MODEL_UP], N, shares[k]), "up %g: %lu", shares[k], lost[0]);
        cr_expect(is_plausible(lost[SP_MODEL_DOWN], N, shares[k]), "down %g: %lu", shares[k], lost[1]);
        cr_expect(is_plausible(both, N, shares[k] * shares[k]), "both %g: %lu", shares[k], both);
    }
}

Test(model, directions_have_their_own_loss)
{
    const struct sp_model_config config = {.seed = 3, .loss = {0.4, 0}};
    struct sp_model m;
    sp_model_init(&m, &config);
    uint64_t up = 0;
    for (uint64_t i = 1; i <= N; i++) {
        up += judge(&m, SP_MODEL_UP, i, 0).verdict == SP_MODEL_LOSS;
        cr_assert_eq(judge(&m, SP_MODEL_DOWN, i, 0).verdict, SP_MODEL_PASS);
    }
    cr_expect(is_plausible(up, N, 0.4));
}

/* Runs of lost packets are as long as independence makes them: mean 1 / (1 - p). */
Test(model, losses_are_independent_of_their_neighbors)
{
    const struct sp_model_config config = {.seed = 5, .loss = {0.3, 0.3}};
    struct sp_model m;
    sp_model_init(&m, &config);
    uint64_t after_loss = 0;
    uint64_t lost_after_loss = 0;
    bool before = false;
    for (uint64_t i = 1; i <= N; i++) {
        bool lost = judge(&m, SP_MODEL_UP, i, 0).verdict == SP_MODEL_LOSS;
        after_loss += before;
        lost_after_loss += before && lost;
        before = lost;
    }
    cr_expect(is_plausible(lost_after_loss, after_loss, 0.3));
}

Test(model, fates_of_passing_packets_have_their_shares)
{
    struct sp_model m;
    sp_model_init(&m, &rough);
    uint64_t passed = 0;
    uint64_t doubled = 0;
    uint64_t corrupted = 0;
    uint64_t held[SP_MODEL_HOLD_MAX + 1] = {0};
    for (uint64_t i = 1; i <= N; i++) {
        struct sp_model_fate f = judge(&m, SP_MODEL_UP, i, 0);
        if (f.verdict != SP_MODEL_PASS) {
            cr_assert_eq(f.copies, 0);
            continue;
        }
        passed++;
        doubled += f.copies == 2;
        corrupted += f.corrupt;
        cr_assert_leq(f.hold, SP_MODEL_HOLD_MAX);
        held[f.hold]++;
        cr_assert_lt(f.flip_bit, 800);
    }
    cr_expect(is_plausible(passed, N, 0.7));
    cr_expect(is_plausible(doubled, passed, 0.05));
    cr_expect(is_plausible(corrupted, passed, 0.01));
    cr_expect(is_plausible(held[0], passed, 0.95));
    for (unsigned h = 1; h <= SP_MODEL_HOLD_MAX; h++)
        cr_expect(is_plausible(held[h], passed, 0.05 / SP_MODEL_HOLD_MAX), "hold %u: %lu", h, held[h]);
}

Test(model, jitter_is_uniform_within_its_range)
{
    const struct sp_model_config config = {.seed = 9, .delay_us = 40000, .jitter_us = 19, .dup = 1};
    struct sp_model m;
    sp_model_init(&m, &config);
    uint64_t seen[SP_MODEL_COPIES_MAX][20] = {{0}};
    uint64_t same = 0;
    for (uint64_t i = 1; i <= N; i++) {
        struct sp_model_fate f = judge(&m, SP_MODEL_DOWN, i, 0);
        for (unsigned c = 0; c < SP_MODEL_COPIES_MAX; c++) {
            cr_assert(f.delay_us[c] >= 40000 && f.delay_us[c] <= 40019, "%ld", f.delay_us[c]);
            seen[c][f.delay_us[c] - 40000]++;
        }
        same += f.delay_us[0] == f.delay_us[1];
    }
    for (unsigned c = 0; c < SP_MODEL_COPIES_MAX; c++)
        for (unsigned j = 0; j < 20; j++)
            cr_expect(is_plausible(seen[c][j], N, 1.0 / 20), "copy %u, %u us: %lu", c, j, seen[c][j]);
    cr_expect(is_plausible(same, N, 1.0 / 20), "copies draw for themselves");
}

Test(model, flipped_bits_are_spread_over_the_payload)
{
    const struct sp_model_config config = {.seed = 10, .corrupt = 1};
    struct sp_model m;
    sp_model_init(&m, &config);
    uint64_t seen[8] = {0};
    for (uint64_t i = 1; i <= N; i++) {
        struct sp_model_packet p = {.dir = SP_MODEL_UP, .index = i, .len = 1};
        struct sp_model_fate f;
        sp_model_judge(&m, &p, &f);
        cr_assert(f.corrupt);
        cr_assert_lt(f.flip_bit, 8);
        seen[f.flip_bit]++;
    }
    for (unsigned bit = 0; bit < 8; bit++)
        cr_expect(is_plausible(seen[bit], N, 1.0 / 8), "bit %u", bit);
    struct sp_model_packet empty = {.dir = SP_MODEL_UP, .index = 1, .len = 0};
    struct sp_model_fate f;
    sp_model_judge(&m, &empty, &f);
    cr_expect_not(f.corrupt, "an empty datagram has no bit to flip");
}

Test(model, same_seed_same_fates_in_any_order)
{
    struct sp_model forward;
    struct sp_model backward;
    sp_model_init(&forward, &rough);
    sp_model_init(&backward, &rough);
    struct sp_model_fate first[1000];
    for (uint64_t i = 1; i <= 1000; i++)
        first[i - 1] = judge(&forward, SP_MODEL_UP, i, 0);
    for (uint64_t i = 1000; i >= 1; i--) {
        (void)judge(&backward, SP_MODEL_DOWN, i * 17, 12345);
        struct sp_model_fate again = judge(&backward, SP_MODEL_UP, i, 999);
        cr_assert(is_same(&first[i - 1], &again), "packet %lu", i);
    }
}

Test(model, other_seed_other_fates)
{
    struct sp_model_config other = rough;
    other.seed = rough.seed + 1;
    struct sp_model a;
    struct sp_model b;
    sp_model_init(&a, &rough);
    sp_model_init(&b, &other);
    uint64_t both = 0;
    for (uint64_t i = 1; i <= N; i++)
        both += judge(&a, SP_MODEL_UP, i, 0).verdict == SP_MODEL_LOSS &&
                judge(&b, SP_MODEL_UP, i, 0).verdict == SP_MODEL_LOSS;
    cr_expect(is_plausible(both, N, 0.09), "%lu", both);
}

/* A frozen sample, so that a printed seed repeats a run of an older build. */
Test(model, fates_are_frozen)
{
    struct sp_model m;
    sp_model_init(&m, &rough);
    char up[65] = "";
    for (uint64_t i = 1; i <= 64; i++)
        up[i - 1] = judge(&m, SP_MODEL_UP, i, 0).verdict == SP_MODEL_LOSS ? 'x' : '.';
    cr_expect_str_eq(up, "...x...x..x........x........xx.x.x.x.x..x..x.xx.x.x.x..x.x..xx.x");
    uint64_t digest = 0;
    for (uint64_t i = 1; i <= 1000; i++) {
        struct sp_model_fate f = judge(&m, SP_MODEL_DOWN, i, 0);
        digest =
            digest * 31 + f.copies * UINT64_C(1000000) + (uint64_t)f.delay_us[0] + (uint64_t)f.delay_us[1];
        digest = digest * 31 + f.hold * UINT64_C(1000) + f.flip_bit;
    }
    cr_expect_eq(digest, UINT64_C(3263377401294915874), "%lu", digest);
    const struct sp_model_config bursts = {
        .seed = 7, .loss = {0.3, 0.3}, .burst_us = 50000, .shared_fade = true};
    sp_model_init(&m, &bursts);
    for (int64_t i = 0; i < 64; i++)
        up[i] = sp_model_is_faded(&m, SP_MODEL_UP, i * 20000) ? 'x' : '.';
    cr_expect_str_eq(up, "................xx....xxxx.xxxxxxxxx...xx.......xx.x........x.xx");
}

struct fade_count {
    uint64_t bad_ms, bursts;
};

/* Walks a direction's fade in steps of 1 ms. */
static struct fade_count walk(const struct sp_model *m, enum sp_model_dir dir, int64_t ms)
{
    struct fade_count c = {0, 0};
    bool before = false;
    for (int64_t t = 0; t < ms; t++) {
        bool bad = sp_model_is_faded(m, dir, t * 1000);
        c.bad_ms += bad;
        c.bursts += bad && !before;
        before = bad;
    }
    return c;
}

/* With stays of mean T that are exponential, the variance of a share over time L is about 2 p (1-p) c / L
 * with the chain's correlation time c = T (1-p), and a mean of n stays has variance T^2 / n. */
Test(model, bursts_have_their_share_and_mean_length)
{
    static const struct {
        double share;
        int64_t mean_ms;
    } table[] = {{0.05, 100}, {0.3, 200}, {0.5, 50}, {0.8, 400}};
    const int64_t ms = 400000;
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
        double p = table[k].share;
        double mean = (double)table[k].mean_ms;
        struct sp_model_config config = {
            .seed = 21 + k, .loss = {p, p}, .burst_us = table[k].mean_ms * 1000, .shared_fade = true};
        struct sp_model m;
        sp_model_init(&m, &config);
        struct fade_count c = walk(&m, SP_MODEL_UP, ms);
        double off = (double)c.bad_ms / (double)ms - p;
        cr_expect_lt(off * off, 16 * 2 * p * (1 - p) * mean * (1 - p) / (double)ms, "share %g is off by %g",
                     p, off);
        /* Stays in the good state below the step of 1 ms are not seen, hence 5 % more room. */
        double length = (double)c.bad_ms / (double)c.bursts;
        double length_off = length / mean - 1;
        double room = 0.05 * 0.05 + 16 / (double)c.bursts;
        cr_expect_lt(length_off * length_off, room, "mean %g ms is %g ms", mean, length);
    }
}

Test(model, fade_depends_on_seed_and_time_alone)
{
    const struct sp_model_config config = {
        .seed = 4, .loss = {0.3, 0.3}, .burst_us = 50000, .shared_fade = true};
    struct sp_model m;
    sp_model_init(&m, &config);
    bool first[5000];
    for (int t = 0; t < 5000; t++)
        first[t] = sp_model_is_faded(&m, SP_MODEL_UP, (int64_t)t * 1000);
    for (int t = 4999; t >= 0; t--) {
        cr_assert_eq(sp_model_is_faded(&m, SP_MODEL_DOWN, (int64_t)t * 1000), first[t]);
        struct sp_model_fate f = judge(&m, SP_MODEL_UP, (uint64_t)t * 31 + 1, (int64_t)t * 1000);
        cr_assert_eq(f.verdict, first[t] ? SP_MODEL_BURST : SP_MODEL_PASS);
    }
}

Test(model, separate_fades_are_independent)
{
    const struct sp_model_config config = {.seed = 6, .loss = {0.3, 0.3}, .burst_us = 20000};
    struct sp_model m;
    sp_model_init(&m, &config);
    uint64_t both = 0;
    for (int64_t t = 0; t < 100000; t++)
        both +=
            sp_model_is_faded(&m, SP_MODEL_UP, t * 10000) && sp_model_is_faded(&m, SP_MODEL_DOWN, t * 10000);
    cr_expect(both > 8000 && both < 10000, "%lu of 100000, 9000 expected", both);
}

Test(model, fade_knows_its_ends)
{
    struct sp_model_config config = {.seed = 1, .loss = {1, 0}, .burst_us = 1000};
    struct sp_model m;
    sp_model_init(&m, &config);
    for (int64_t t = 0; t < 1000; t++) {
        cr_assert(sp_model_is_faded(&m, SP_MODEL_UP, t * 777));
        cr_assert_not(sp_model_is_faded(&m, SP_MODEL_DOWN, t * 777));
    }
    config.loss[SP_MODEL_UP] = 0.999999;
    sp_model_init(&m, &config);
    (void)sp_model_is_faded(&m, SP_MODEL_UP, INT64_MAX);
    cr_assert(sp_model_is_faded(&m, SP_MODEL_UP, -5) == sp_model_is_faded(&m, SP_MODEL_UP, 0));
}

Test(model, soft_states_lose_shares)
{
    const struct sp_model_config config = {.seed = 8,
                                           .loss = {1.0 / 11, 1.0 / 11},
                                           .burst_us = 400000,
                                           .shared_fade = true,
                                           .good_loss = 0.01,
                                           .bad_pass = 0.2};
    struct sp_model m;
    sp_model_init(&m, &config);
    uint64_t n[2] = {0};
    uint64_t lost[2] = {0};
    for (uint64_t i = 1; i <= N; i++) {
        bool bad = sp_model_is_faded(&m, SP_MODEL_UP, (int64_t)i * 1000);
        enum sp_model_verdict v = judge(&m, SP_MODEL_UP, i, (int64_t)i * 1000).verdict;
        n[bad]++;
        lost[bad] += v == (bad ? SP_MODEL_BURST : SP_MODEL_LOSS);
    }
    cr_expect(is_plausible(lost[0], n[0], 0.01));
    cr_expect(is_plausible(lost[1], n[1], 0.8));
}

Test(model, blackholes_follow_their_schedule)
{
    const struct sp_model_config config = {
        .seed = 1,
        .blackholes = {{.on_us = 5000, .off_us = 2000, .repeat = 2, .dir = {true, false}},
                       {.on_us = 100000, .off_us = 1000, .dir = {false, true}}},
        .blackholes_n = 2};
    static const struct {
        int64_t now_us;
        enum sp_model_dir dir;
        enum sp_model_verdict verdict;
    } table[] = {
        {0, SP_MODEL_UP, SP_MODEL_PASS},
        {4999, SP_MODEL_UP, SP_MODEL_PASS},
        {5000, SP_MODEL_UP, SP_MODEL_BLACKHOLE},
        {6999, SP_MODEL_UP, SP_MODEL_BLACKHOLE},
        {7000, SP_MODEL_UP, SP_MODEL_PASS},
        {12000, SP_MODEL_UP, SP_MODEL_BLACKHOLE},
        {13999, SP_MODEL_UP, SP_MODEL_BLACKHOLE},
        {14000, SP_MODEL_UP, SP_MODEL_PASS},
        {19000, SP_MODEL_UP, SP_MODEL_PASS},
        {100500, SP_MODEL_UP, SP_MODEL_PASS},
        {5000, SP_MODEL_DOWN, SP_MODEL_PASS},
        {99999, SP_MODEL_DOWN, SP_MODEL_PASS},
        {100000, SP_MODEL_DOWN, SP_MODEL_BLACKHOLE},
        {101000, SP_MODEL_DOWN, SP_MODEL_PASS},
        {101000 * 1000 + 100999, SP_MODEL_DOWN, SP_MODEL_BLACKHOLE},
    };
    struct sp_model m;
    sp_model_init(&m, &config);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        cr_expect_eq(judge(&m, table[i].dir, i + 1, table[i].now_us).verdict, table[i].verdict, "row %zu", i);
}

Test(model, listed_packets_are_lost_whatever_else)
{
    const struct sp_model_config config = {
        .seed = 1, .loss = {1, 0}, .ranges = {{SP_MODEL_UP, 1, 1}, {SP_MODEL_DOWN, 3, 5}}, .ranges_n = 2};
    struct sp_model m;
    sp_model_init(&m, &config);
    cr_expect_eq(judge(&m, SP_MODEL_UP, 1, 0).verdict, SP_MODEL_LISTED);
    cr_expect_eq(judge(&m, SP_MODEL_UP, 2, 0).verdict, SP_MODEL_LOSS);
    for (uint64_t i = 1; i <= 7; i++)
        cr_expect_eq(judge(&m, SP_MODEL_DOWN, i, 0).verdict == SP_MODEL_LISTED, i >= 3 && i <= 5,
                     "packet %lu", i);
}

/* 8 kbit/s: a packet of 100 + 28 bytes takes 128 ms, so the third in a burst finds more than 100 ms of queue.
 */
Test(model, rate_queues_then_loses)
{
    const struct sp_model_config config = {.seed = 1, .rate_kbit = 8, .delay_us = 1000};
    struct sp_model m;
    sp_model_init(&m, &config);
    struct sp_model_fate f = judge(&m, SP_MODEL_UP, 1, 0);
    cr_expect_eq(f.delay_us[0], 128000 + 1000);
    cr_expect_eq(judge(&m, SP_MODEL_UP, 2, 0).verdict, SP_MODEL_RATE);
    cr_expect_eq(judge(&m, SP_MODEL_DOWN, 1, 0).delay_us[0], 129000, "directions have their own line");
    f = judge(&m, SP_MODEL_UP, 3, 28000);
    cr_expect_eq(f.verdict, SP_MODEL_PASS, "100 ms of queue are allowed");
    cr_expect_eq(f.delay_us[0], 100000 + 128000 + 1000);
    f = judge(&m, SP_MODEL_UP, 4, 10000000);
    cr_expect_eq(f.delay_us[0], 129000, "an idle line keeps no debt");
}

Test(model, rate_is_what_passes_under_overload)
{
    const struct sp_model_config config = {.seed = 1, .rate_kbit = 1000};
    struct sp_model m;
    sp_model_init(&m, &config);
    uint64_t passed = 0;
    for (uint64_t i = 1; i <= 100000; i++)
        passed += judge(&m, SP_MODEL_UP, i, (int64_t)i * 100).verdict == SP_MODEL_PASS;
    /* 10 s of 1 Mbit/s in packets of 1024 bits, and the queue's 100 ms. */
    cr_expect(passed >= 9765 && passed <= 9765 + 98 + 1, "%lu", passed);
}

Test(model, rate_and_loss_do_not_disturb_each_other)
{
    struct sp_model_config config = rough;
    struct sp_model with;
    struct sp_model without;
    sp_model_init(&without, &config);
    config.rate_kbit = 100;
    sp_model_init(&with, &config);
    for (uint64_t i = 1; i <= 10000; i++) {
        enum sp_model_verdict a = judge(&with, SP_MODEL_UP, i, (int64_t)i * 1000).verdict;
        enum sp_model_verdict b = judge(&without, SP_MODEL_UP, i, (int64_t)i * 1000).verdict;
        cr_assert(a == b || (a == SP_MODEL_RATE && b == SP_MODEL_PASS));
    }
}

Test(model, unsound_configurations_are_named)
{
    static const struct {
        struct sp_model_config config;
        const char *field;
    } table[] = {
        {{.loss = {1.01, 0}}, "loss"},
        {{.loss = {0, -0.1}}, "loss"},
        {{.good_loss = 2}, "burst"},
        {{.bad_pass = -1}, "burst"},
        {{.dup = 1.5}, "dup"},
        {{.reorder = -1}, "dup, reorder"},
        {{.corrupt = 7}, "dup, reorder, corrupt"},
        {{.delay_us = -1}, "delay"},
        {{.jitter_us = SP_MODEL_TIME_MAX_US + 1}, "delay, jitter"},
        {{.burst_us = 1000}, "burst"},
        {{.rate_kbit = -5}, "rate"},
        {{.blackholes_n = SP_MODEL_BLACKHOLES_MAX + 1}, "blackhole"},
        {{.blackholes = {{.on_us = 1, .dir = {true, true}}}, .blackholes_n = 1}, "blackhole"},
        {{.blackholes = {{.off_us = 1}}, .blackholes_n = 1}, "blackhole"},
        {{.blackholes = {{.on_us = -1, .off_us = 1, .dir = {true, true}}}, .blackholes_n = 1}, "blackhole"},
        {{.ranges_n = SP_MODEL_RANGES_MAX + 1}, "droplist"},
        {{.ranges = {{SP_MODEL_UP, 0, 3}}, .ranges_n = 1}, "droplist"},
        {{.ranges = {{SP_MODEL_UP, 4, 3}}, .ranges_n = 1}, "droplist"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *problem = sp_model_problem(&table[i].config);
        cr_assert_not_null(problem, "row %zu", i);
        cr_expect_eq(strncmp(problem, table[i].field, strlen(table[i].field)), 0, "row %zu: %s", i, problem);
    }
    cr_expect_null(sp_model_problem(&rough));
}

Test(model, names)
{
    static const char *const names[] = {"pass", "listed", "blackhole", "loss", "burst", "rate", "unknown"};
    for (unsigned i = 0; i <= SP_MODEL_VERDICTS; i++)
        cr_expect_str_eq(sp_model_verdict_name((enum sp_model_verdict)i), names[i]);
    cr_expect_str_eq(sp_model_dir_name(SP_MODEL_UP), "up");
    cr_expect_str_eq(sp_model_dir_name(SP_MODEL_DOWN), "down");
}
