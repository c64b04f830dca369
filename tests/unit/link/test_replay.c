/* replay.c: the edges of the window, and a comparison with a set that remembers everything. */
#include "replay.h"

#include <sampan/err.h>

#include <criterion/criterion.h>

#include <string.h>

#define TOP (((uint64_t)1 << 62) - 1)

static void mark(struct sp_replay *r, uint64_t pn)
{
    cr_assert_eq(sp_replay_check(r, pn), 0);
    sp_replay_mark(r, pn);
}

struct window_case {
    uint64_t largest, pn;
    int want;
};
static const struct window_case cases[] = {
    {5, 5, SP_EREPLAY},
    {5, 4, 0},
    {5, 0, 0},
    {1023, 0, 0},
    {1024, 0, SP_EREPLAY},
    {1024, 1, 0},
    {5000, 5000 - 1023, 0},
    {5000, 5000 - 1024, SP_EREPLAY},
    {5000, 5001, 0},
    {5000, TOP, 0},
    {TOP, TOP, SP_EREPLAY},
    {TOP, TOP - 1, 0},
    {TOP, TOP - 1023, 0},
    {TOP, TOP - 1024, SP_EREPLAY},
    {TOP, 0, SP_EREPLAY},
};

Test(replay, window_edges)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sp_replay r;
        sp_replay_init(&r);
        mark(&r, cases[i].largest);
        cr_assert_eq(sp_replay_check(&r, cases[i].pn), cases[i].want, "row %zu", i);
        if (cases[i].want == 0) {
            sp_replay_mark(&r, cases[i].pn);
            cr_assert_eq(sp_replay_check(&r, cases[i].pn), SP_EREPLAY, "row %zu, again", i);
        }
    }
}

Test(replay, empty_window_takes_any_number)
{
    static const uint64_t numbers[] = {0, 1, 1023, 1024, TOP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sp_replay r;
        sp_replay_init(&r);
        cr_assert_eq(sp_replay_check(&r, numbers[i]), 0);
    }
}

Test(replay, check_changes_nothing)
{
    struct sp_replay r;
    sp_replay_init(&r);
    mark(&r, 10);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(sp_replay_check(&r, 5000), 0);
    cr_assert_eq(r.largest, 10);
    cr_assert_eq(sp_replay_check(&r, 9), 0);
}

Test(replay, a_jump_forgets_exactly_what_falls_out)
{
    static const uint64_t jumps[] = {1, 63, 64, 65, 1022, 1023, 1024, 1025, 4096};
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        struct sp_replay r;
        sp_replay_init(&r);
        for (uint64_t pn = 3000; pn < 3000 + 1024; pn++)
            mark(&r, pn);
        uint64_t top = 4023 + jumps[i];
        mark(&r, top);
        for (uint64_t pn = 2000; pn <= top; pn++) {
            bool is_fresh = pn > 4023 && pn != top && top - pn < SP_REPLAY_WINDOW;
            cr_assert_eq(sp_replay_check(&r, pn), is_fresh ? 0 : SP_EREPLAY, "jump %d, number %d",
                         (int)jumps[i], (int)pn);
        }
    }
}

/* 40,000 random numbers around a moving front against an array that remembers each. */
static void compare_with_memory(uint64_t base, uint32_t seed)
{
    enum { SPAN = 60000, STEPS = 40000 };
    static bool seen[SPAN];
    struct sp_replay r;
    uint64_t front = 0;
    memset(seen, 0, sizeof seen);
    sp_replay_init(&r);
    for (int i = 0; i < STEPS; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint64_t spread = seed >> 31 != 0 ? 1300 : 40;
        uint64_t back = (seed >> 8) % spread;
        uint64_t at = front + 8 > back ? front + 8 - back : 0;
        if (at >= SPAN)
            break;
        bool is_old = front >= 1024 && at <= front - 1024;
        int want = is_old || seen[at] ? SP_EREPLAY : 0;
        cr_assert_eq(sp_replay_check(&r, base + at), want, "step %d, number %d", i, (int)at);
        if (want == 0) {
            sp_replay_mark(&r, base + at);
            seen[at] = true;
            front = at > front ? at : front;
        }
    }
    cr_assert_gt(front, 5000, "the front hardly moved");
}

Test(replay, agrees_with_a_set_that_forgets_nothing)
{
    compare_with_memory(0, 1);
    compare_with_memory(0, 2);
    compare_with_memory(((uint64_t)1 << 32) - 3000, 3);
    compare_with_memory(TOP - 60000, 4);
}
