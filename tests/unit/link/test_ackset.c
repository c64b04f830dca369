/* ackset.c: ranges of received numbers, ACK frames made of them, ACK frames taken apart. */
#include "ackset.h"

#include <sampan/err.h>

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOP (((uint64_t)1 << 62) - 1)

static struct sp_ackset with(const uint64_t *numbers, size_t n)
{
    struct sp_ackset a;
    sp_ackset_init(&a);
    for (size_t i = 0; i < n; i++)
        sp_ackset_add(&a, numbers[i], (sp_time)i);
    return a;
}

static void add_run(struct sp_ackset *a, uint64_t lo, uint64_t hi)
{
    for (uint64_t pn = lo; pn <= hi; pn++)
        sp_ackset_add(a, pn, 0);
}

/* "hi-lo hi-lo", newest first. */
static void expect_ranges(const struct sp_ackset *a, const char *want)
{
    char got[256] = "";
    for (size_t i = 0; i < a->n; i++) {
        size_t at = strlen(got);
        (void)snprintf(got + at, sizeof got - at, "%s%d-%d", i > 0 ? " " : "", (int)a->ranges[i].hi,
                       (int)a->ranges[i].lo);
    }
    cr_assert_str_eq(got, want);
}

struct add_case {
    uint64_t numbers[8];
    size_t n;
    const char *want;
};
static const struct add_case adds[] = {
    {{5}, 1, "5-5"},
    {{5, 5, 5}, 3, "5-5"},
    {{5, 6, 7}, 3, "7-5"},
    {{7, 6, 5}, 3, "7-5"},
    {{5, 7}, 2, "7-7 5-5"},
    {{7, 5}, 2, "7-7 5-5"},
    {{5, 7, 6}, 3, "7-5"},
    {{1, 5, 3, 9}, 4, "9-9 5-5 3-3 1-1"},
    {{1, 5, 3, 9, 4, 2}, 6, "9-9 5-1"},
    {{10, 0}, 2, "10-10 0-0"},
    {{10, 8, 9, 10, 8}, 5, "10-8"},
    {{20, 10, 19, 11, 9, 21}, 6, "21-19 11-9"},
};

Test(ackset, merges_what_touches)
{
    for (size_t i = 0; i < sizeof adds / sizeof adds[0]; i++) {
        struct sp_ackset a = with(adds[i].numbers, adds[i].n);
        expect_ranges(&a, adds[i].want);
    }
}

Test(ackset, every_order_gives_the_same)
{
    static const uint64_t orders[6][3] = {{3, 4, 6}, {3, 6, 4}, {4, 3, 6}, {4, 6, 3}, {6, 3, 4}, {6, 4, 3}};
    for (size_t i = 0; i < 6; i++) {
        struct sp_ackset a = with(orders[i], 3);
        expect_ranges(&a, "6-6 4-3");
    }
}

Test(ackset, full_set_forgets_the_oldest)
{
    struct sp_ackset a;
    sp_ackset_init(&a);
    for (uint64_t i = 0; i < SP_ACKSET_RANGES_MAX; i++)
        sp_ackset_add(&a, 100 + 2 * i, 0);
    cr_assert_eq(a.n, SP_ACKSET_RANGES_MAX);
    sp_ackset_add(&a, 50, 0); /* older than all: not taken */
    cr_assert_eq(a.n, SP_ACKSET_RANGES_MAX);
    cr_assert_eq(a.ranges[a.n - 1].lo, 100);
    sp_ackset_add(&a, 1000, 0); /* newer: the oldest goes */
    cr_assert_eq(a.n, SP_ACKSET_RANGES_MAX);
    cr_assert_eq(a.ranges[0].hi, 1000);
    cr_assert_eq(a.ranges[a.n - 1].lo, 102);
    sp_ackset_add(&a, 103, 0); /* closes a hole: room for one again */
    cr_assert_eq(a.n, SP_ACKSET_RANGES_MAX - 1);
    sp_ackset_add(&a, 60, 0);
    cr_assert_eq(a.ranges[a.n - 1].lo, 60);
}

Test(ackset, nothing_received_nothing_to_say)
{
    struct sp_ackset a;
    struct sp_frame f;
    sp_ackset_init(&a);
    cr_assert_eq(sp_ackset_frame(&a, 0, 0, &f), SP_EAGAIN);
}

struct delay_case {
    sp_time waited;
    uint8_t want;
};
static const struct delay_case delays[] = {{0, 0},       {249, 0},          {250, 1},
                                           {5000, 20},   {63750, 255},      {63999, 255},
                                           {64000, 255}, {3600000000, 255}, {-10, 0}};

Test(ackset, delay_counts_from_the_largest)
{
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        struct sp_ackset a;
        struct sp_frame f;
        sp_ackset_init(&a);
        sp_ackset_add(&a, 7, 1000000);
        sp_ackset_add(&a, 6, 2000000); /* a late one does not count */
        sp_ackset_add(&a, 7, 3000000); /* nor does a copy */
        cr_assert_eq(sp_ackset_frame(&a, 33, 1000000 + delays[i].waited, &f), 0);
        cr_assert_eq(f.u.ack.delay, delays[i].want, "after %d us", (int)delays[i].waited);
        cr_assert_eq(f.u.ack.loss, 33);
        cr_assert_eq(f.u.ack.largest, 7);
        cr_assert_eq(f.u.ack.first, 1);
    }
}

/* Frame of the set, encoded and decoded, taken apart by a sender that sent up to `sent`. */
static size_t through_the_wire(const struct sp_ackset *a, uint64_t sent, struct sp_ackset_range *out)
{
    struct sp_frame f;
    struct sp_frame back;
    uint8_t buf[32];
    size_t len = 0;
    size_t used = 0;
    size_t n = 0;
    cr_assert_eq(sp_ackset_frame(a, 0, 0, &f), 0);
    cr_assert_eq(sp_wire_encode(&f, buf, sizeof buf, &len), 0);
    cr_assert_leq(len, 23, "section 4: an ACK has at most 23 bytes");
    cr_assert_eq(sp_wire_decode((struct sp_view){.p = buf, .n = len}, SP_DIR_DOWN, &back, &used), 0);
    cr_assert_eq(sp_ackset_expand(&back.u.ack, sent, out, &n), 0);
    cr_assert_leq(n, 1 + SP_ACK_GAPS_MAX);
    return n;
}

struct run_case {
    const char *what;
    uint64_t runs[4][2]; /* lo, hi; oldest first */
    size_t n;
    struct sp_ackset_range want[4]; /* newest first */
    size_t want_n;
};
static const struct run_case runs[] = {
    {"one number", {{0, 0}}, 1, {{0, 0}}, 1},
    {"256 numbers fit", {{100, 355}}, 1, {{100, 355}}, 1},
    {"of 257 the oldest is left out", {{100, 356}}, 1, {{101, 356}}, 1},
    {"what lies below a cut run is left out", {{1, 9}, {100, 356}}, 2, {{101, 356}}, 1},
    {"what lies below a whole run is not", {{1, 9}, {100, 355}}, 2, {{100, 355}, {1, 9}}, 2},
    {"gap of 255", {{1, 9}, {265, 270}}, 2, {{265, 270}, {1, 9}}, 2},
    {"gap of 256 ends the frame", {{1, 9}, {266, 270}}, 2, {{266, 270}}, 1},
    {"second run of 255", {{1, 255}, {257, 260}}, 2, {{257, 260}, {1, 255}}, 2},
    {"second run of 256 is cut", {{1, 256}, {258, 260}}, 2, {{258, 260}, {2, 256}}, 2},
    {"and nothing follows it", {{1, 2}, {4, 259}, {261, 270}}, 3, {{261, 270}, {5, 259}}, 2},
};

Test(ackset, runs_longer_than_a_byte)
{
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        struct sp_ackset a;
        struct sp_ackset_range got[1 + SP_ACK_GAPS_MAX];
        sp_ackset_init(&a);
        for (size_t k = 0; k < runs[i].n; k++)
            add_run(&a, runs[i].runs[k][0], runs[i].runs[k][1]);
        size_t n = through_the_wire(&a, 1000, got);
        cr_assert_eq(n, runs[i].want_n, "%s", runs[i].what);
        for (size_t k = 0; k < n; k++)
            cr_assert(got[k].lo == runs[i].want[k].lo && got[k].hi == runs[i].want[k].hi, "%s", runs[i].what);
    }
}

Test(ackset, eight_ranges_are_the_most)
{
    struct sp_ackset a;
    struct sp_ackset_range got[1 + SP_ACK_GAPS_MAX];
    sp_ackset_init(&a);
    for (uint64_t i = 0; i < 12; i++)
        sp_ackset_add(&a, 10 + 3 * i, 0);
    size_t n = through_the_wire(&a, 100, got);
    cr_assert_eq(n, 1 + SP_ACK_GAPS_MAX);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(got[i].lo, 43 - 3 * i);
}

struct expand_case {
    const char *what;
    struct sp_frame_ack f;
    uint64_t sent;
    int want;
    uint64_t hi; /* of the first range */
};
#define TURN ((uint64_t)1 << 32)
static const struct expand_case expands[] = {
    {"the only one", {.largest = 0}, 0, 0, 0},
    {"down to 0", {.largest = 9, .first = 9}, 9, 0, 9},
    {"below 0", {.largest = 9, .first = 10}, 9, SP_EMALFORMED, 0},
    {"not sent", {.largest = 10}, 9, SP_EMALFORMED, 0},
    {"far from sent", {.largest = UINT32_MAX}, 9, SP_EMALFORMED, 0},
    {"before the turn", {.largest = UINT32_MAX}, TURN + 3, 0, TURN - 1},
    {"behind the turn", {.largest = 3}, TURN + 3, 0, TURN + 3},
    {"nearest is not sent", {.largest = 4}, TURN + 3, SP_EMALFORMED, 0},
    {"half a turn back is still nearest", {.largest = 1u << 31}, TURN, 0, TURN / 2},
    {"half a turn back, no turn between", {.largest = 5}, TURN + TURN / 2 + 5, 0, TURN + 5},
    {"more than half back is not", {.largest = (1u << 31) - 1}, TURN, SP_EMALFORMED, 0},
    {"top of the numbers", {.largest = UINT32_MAX}, TOP, 0, TOP},
    {"no number above the top", {.largest = 0}, TOP, 0, TOP - UINT32_MAX},
    {"second range to 0", {.largest = 9, .first = 3, .n = 1, .gaps = {{2, 4}}}, 9, 0, 9},
    {"second range below 0", {.largest = 9, .first = 3, .n = 1, .gaps = {{2, 5}}}, 9, SP_EMALFORMED, 0},
    {"gap below 0", {.largest = 9, .first = 3, .n = 1, .gaps = {{6, 1}}}, 9, SP_EMALFORMED, 0},
    {"gap of 0", {.largest = 9, .n = 1, .gaps = {{0, 1}}}, 9, SP_EMALFORMED, 0},
    {"run of 0", {.largest = 9, .n = 1, .gaps = {{1, 0}}}, 9, SP_EMALFORMED, 0},
    {"more ranges than fit", {.largest = 9, .n = 8}, 9, SP_EMALFORMED, 0},
};

Test(ackset, expand_refuses_what_was_never_sent)
{
    for (size_t i = 0; i < sizeof expands / sizeof expands[0]; i++) {
        struct sp_ackset_range got[1 + SP_ACK_GAPS_MAX];
        size_t n = 99;
        int rc = sp_ackset_expand(&expands[i].f, expands[i].sent, got, &n);
        cr_assert_eq(rc, expands[i].want, "%s", expands[i].what);
        if (rc != 0) {
            cr_assert_eq(n, 99, "%s", expands[i].what);
            continue;
        }
        cr_assert_eq(got[0].hi, expands[i].hi, "%s", expands[i].what);
        cr_assert_eq(got[0].hi - got[0].lo, expands[i].f.first, "%s", expands[i].what);
        cr_assert_eq(n, 1u + expands[i].f.n, "%s", expands[i].what);
    }
}

/* Random arrivals: what an ACK names was received, and it names everything newer than the oldest it names. */
static void random_arrivals(uint64_t base, uint32_t seed, unsigned keep)
{
    enum { SPAN = 3000 };
    static bool seen[SPAN];
    struct sp_ackset a;
    uint64_t largest = 0;
    memset(seen, 0, sizeof seen);
    sp_ackset_init(&a);
    for (uint64_t at = 0; at < SPAN; at++) {
        seed = seed * 1664525u + 1013904223u;
        uint64_t pn = at >= 5 ? at - (seed >> 16) % 5 : at;
        if ((seed >> 24) % 100 >= keep)
            continue;
        seen[pn] = true;
        largest = pn > largest ? pn : largest;
        sp_ackset_add(&a, base + pn, 0);

        struct sp_ackset_range got[1 + SP_ACK_GAPS_MAX];
        size_t n = through_the_wire(&a, base + SPAN, got);
        cr_assert_eq(got[0].hi, base + largest);
        size_t r = 0;
        for (uint64_t i = got[0].hi; i >= got[n - 1].lo && i >= base; i--) {
            if (i < got[r].lo)
                r++;
            cr_assert_eq(seen[i - base], i <= got[r].hi, "number %d", (int)(i - base));
            if (i == base)
                break;
        }
    }
}

Test(ackset, never_names_what_did_not_arrive)
{
    random_arrivals(0, 1, 50);
    random_arrivals(0, 2, 90);
    random_arrivals(TURN - 1500, 3, 70);
    random_arrivals(TOP - 3000, 4, 99);
}
