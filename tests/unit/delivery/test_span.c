/* What a recipient has: ranges, holes and skipped ranges. */
#include "span.h"

#include <criterion/criterion.h>
#include <sampan/err.h>
#include <stdio.h>

/* The ranges as text: "base | lo-hi lo-hi!why ..." */
static const char *text_of(const struct sp_span *s)
{
    static char text[4096];
    int n = snprintf(text, sizeof text, "%u |", s->base);
    for (size_t i = 0; i < s->n; i++) {
        const struct sp_span_range *r = &s->ranges[i];
        n += snprintf(text + n, sizeof text - (size_t)n, " %u-%u", r->lo, r->hi);
        if (r->why != 0)
            n += snprintf(text + n, sizeof text - (size_t)n, "!%u", r->why);
    }
    return text;
}

Test(span, joins_what_touches)
{
    static const struct {
        uint32_t seq;
        int rc;
        const char *after;
    } steps[] = {
        {12, 0, "10 | 12-12"},
        {12, SP_EREPLAY, "10 | 12-12"},
        {10, SP_EREPLAY, "10 | 12-12"},
        {1, SP_EREPLAY, "10 | 12-12"},
        {14, 0, "10 | 12-12 14-14"},
        {13, 0, "10 | 12-14"},
        {20, 0, "10 | 12-14 20-20"},
        {19, 0, "10 | 12-14 19-20"},
        {15, 0, "10 | 12-15 19-20"},
        {11, 0, "10 | 11-15 19-20"},
        {UINT32_MAX, 0, "10 | 11-15 19-20 4294967295-4294967295"},
    };
    struct sp_span s;
    sp_span_init(&s, 10);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        cr_expect_eq(sp_span_add(&s, steps[i].seq), steps[i].rc, "step %zu", i);
        cr_expect_str_eq(text_of(&s), steps[i].after, "step %zu: %s", i, text_of(&s));
    }
    cr_expect_eq(sp_span_have(&s), 15);
    cr_expect_eq(sp_span_top(&s), UINT32_MAX);
}

Test(span, skips_only_what_is_not_there)
{
    struct sp_span s;
    sp_span_init(&s, 120);
    cr_assert_eq(sp_span_add(&s, 125), 0);
    cr_assert_eq(sp_span_add(&s, 151), 0);
    cr_assert_eq(sp_span_skip(&s, 100, 150, 1), 0);
    cr_expect_str_eq(text_of(&s), "120 | 121-124!1 125-125 126-150!1 151-151");
    cr_assert_eq(sp_span_skip(&s, 150, 160, 2), 0);
    cr_expect_str_eq(text_of(&s), "120 | 121-124!1 125-125 126-150!1 151-151 152-160!2");
    cr_assert_eq(sp_span_skip(&s, 161, 170, 2), 0);
    cr_expect_str_eq(text_of(&s), "120 | 121-124!1 125-125 126-150!1 151-151 152-170!2");
    cr_assert_eq(sp_span_skip(&s, 5, 120, 3), 0, "below the base: nothing");
    cr_assert_eq(sp_span_skip(&s, UINT32_MAX - 1, UINT32_MAX, 3), 0, "the last seqs there are");
    cr_expect_str_eq(text_of(&s),
                     "120 | 121-124!1 125-125 126-150!1 151-151 152-170!2 4294967294-4294967295!3");
    cr_expect(sp_span_has(&s, 130));
    cr_expect_not(sp_span_has(&s, 171));
}

Test(span, hands_up_in_order)
{
    struct sp_span s;
    struct sp_span_range r;
    sp_span_init(&s, 0);
    cr_assert_eq(sp_span_add(&s, 2), 0);
    cr_assert_not(sp_span_next(&s, &r), "1 is missing");
    cr_assert_eq(sp_span_add(&s, 1), 0);
    cr_assert_eq(sp_span_skip(&s, 3, 9, 2), 0);
    cr_assert_eq(sp_span_add(&s, 10), 0);
    cr_assert_eq(sp_span_add(&s, 12), 0);
    static const struct sp_span_range want[] = {{1, 1, 0}, {2, 2, 0}, {3, 9, 2}, {10, 10, 0}};
    for (size_t i = 0; i < 4; i++) {
        cr_assert(sp_span_next(&s, &r));
        cr_expect_eq(r.lo, want[i].lo);
        cr_expect_eq(r.hi, want[i].hi);
        cr_expect_eq(r.why, want[i].why);
        sp_span_pass(&s, r.hi);
    }
    cr_expect_not(sp_span_next(&s, &r), "11 is missing");
    cr_expect_str_eq(text_of(&s), "10 | 12-12");
    cr_expect_eq(sp_span_add(&s, 7), SP_EREPLAY);
}

Test(span, ends_at_the_last_seq)
{
    struct sp_span s;
    struct sp_span_range r;
    sp_span_init(&s, UINT32_MAX - 1);
    cr_assert_eq(sp_span_add(&s, UINT32_MAX), 0);
    cr_assert(sp_span_next(&s, &r));
    sp_span_pass(&s, r.hi);
    cr_expect_eq(sp_span_have(&s), UINT32_MAX);
    cr_expect_not(sp_span_next(&s, &r));
    cr_expect_eq(sp_span_skip(&s, 1, UINT32_MAX, 1), 0);
    cr_expect_eq(s.n, 0);
}

Test(span, full_it_prefers_the_lowest)
{
    struct sp_span s;
    sp_span_init(&s, 0);
    for (uint32_t i = 0; i < SP_SPAN_RANGES_MAX; i++)
        cr_assert_eq(sp_span_add(&s, 3 + 2 * i), 0);
    uint32_t top = 3 + 2 * (SP_SPAN_RANGES_MAX - 1);
    cr_expect_eq(sp_span_add(&s, top + 10), SP_EFULL);
    cr_expect_eq(sp_span_skip(&s, top + 10, top + 20, 1), SP_EFULL);
    cr_expect_eq(sp_span_top(&s), top);
    cr_expect_eq(sp_span_add(&s, top + 1), 0, "what touches needs no place");
    cr_expect_eq(sp_span_add(&s, 1), 0, "what is needed first pushes out the highest");
    cr_expect_eq(s.n, SP_SPAN_RANGES_MAX);
    cr_expect_eq(sp_span_top(&s), top - 2);
    cr_expect_eq(sp_span_have(&s), 1);
    cr_expect_not(sp_span_has(&s, top));
}

Test(span, names_what_is_held)
{
    struct sp_span s;
    struct sp_span_range out[8];
    sp_span_init(&s, 15);
    cr_expect_eq(sp_span_held(&s, 15, out, 8), 0);
    cr_expect_eq(sp_span_held(&s, 10, out, 8), 1);
    cr_expect_eq(out[0].lo, 11);
    cr_expect_eq(out[0].hi, 15);
    cr_assert_eq(sp_span_add(&s, 16), 0);
    cr_assert_eq(sp_span_skip(&s, 17, 19, 1), 0);
    for (uint32_t seq = 30; seq < 60; seq += 2)
        cr_assert_eq(sp_span_add(&s, seq), 0);
    cr_expect_eq(sp_span_held(&s, 10, out, 8), 8);
    cr_expect_eq(out[0].lo, 11);
    cr_expect_eq(out[0].hi, 19);
    cr_expect_eq(out[1].lo, 30);
    cr_expect_eq(out[7].hi, 42);
    cr_expect_eq(sp_span_held(&s, 15, out, 8), 8);
    cr_expect_eq(out[0].lo, 16);
    cr_expect_eq(sp_span_held(&s, 15, out, 0), 0);
}

/* Against a plain table of seqs, over random steps. */
Test(span, agrees_with_a_table)
{
    enum { TOP = 200 };
    uint32_t x = 12345;
    for (int round = 0; round < 50; round++) {
        uint8_t there[TOP + 2] = {0}; /* 0 missing, 1 message, 2 + why skipped */
        uint32_t base = 0;
        struct sp_span s;
        sp_span_init(&s, 0);
        for (int step = 0; step < 300; step++) {
            x = x * 1664525U + 1013904223U;
            uint32_t a = 1 + (x >> 8) % TOP, what = (x >> 24) % 4;
            struct sp_span_range r;
            if (what == 0 && sp_span_next(&s, &r)) {
                cr_assert_eq(r.why == 0 ? 1 : 2 + r.why, there[r.lo]);
                sp_span_pass(&s, r.hi);
                base = r.hi;
            } else if (what == 1 && (x >> 20) % 4 == 0) {
                uint32_t hi = a + (x >> 4) % 5 > TOP ? TOP : a + (x >> 4) % 5;
                cr_assert_eq(sp_span_skip(&s, a, hi, 1), 0);
                for (uint32_t i = a; i <= hi; i++)
                    there[i] = i > base && there[i] == 0 ? 3 : there[i];
            } else {
                bool is_new = a > base && there[a] == 0;
                cr_assert_eq(sp_span_add(&s, a), is_new ? 0 : SP_EREPLAY);
                if (is_new)
                    there[a] = 1;
            }
            uint32_t have = base;
            while (have < TOP && there[have + 1] != 0)
                have++;
            cr_assert_eq(sp_span_have(&s), have);
            cr_assert_eq(sp_span_has(&s, a), a <= base || there[a] != 0);
        }
    }
}
