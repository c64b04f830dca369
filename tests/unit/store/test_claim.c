#include "claim.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct sp_view text(const char *s)
{
    return (struct sp_view){(const uint8_t *)s, strlen(s)};
}

static uint64_t take(struct sp_claim_table *t, const char *box, uint32_t device, uint32_t holder,
                     struct sp_claim *former)
{
    struct sp_claim c = {.holder = holder};
    cr_assert_eq(sp_claim_take(t, text(box), device, &c, former), 0);
    cr_assert_eq(c.holder, holder);
    return c.fence;
}

Test(claim, fences_rise_over_devices_and_boots)
{
    struct sp_claim_table *t;
    struct sp_claim former;
    uint64_t last = 0;
    for (uint32_t boot = 1; boot < 4; boot++) {
        cr_assert_eq(sp_claim_open(&t, boot), 0);
        for (uint32_t i = 0; i < 10; i++) {
            uint64_t fence = take(t, i % 2 ? "bob" : "ann", i % 3, 7, &former);
            cr_assert_gt(fence, last);
            last = fence;
        }
        sp_claim_close(&t);
        cr_assert_null(t);
    }
    sp_claim_close(&t);
}

Test(claim, only_the_live_one_can_be_dropped)
{
    struct sp_claim_table *t;
    struct sp_claim former;
    cr_assert_eq(sp_claim_open(&t, 1), 0);
    uint64_t first = take(t, "bob", 1, 3, &former);
    cr_assert_eq(former.fence, 0U);
    uint64_t second = take(t, "bob", 1, 4, &former);
    cr_assert_eq(former.fence, first);
    cr_assert_eq(former.holder, 3U);
    cr_assert_eq(sp_claim_drop(t, text("bob"), 1, first), SP_EFENCED);
    cr_assert_eq(sp_claim_drop(t, text("bob"), 2, second), SP_EFENCED);
    cr_assert_eq(sp_claim_drop(t, text("bob"), 1, 0), SP_EFENCED);
    cr_assert_eq(sp_claim_find(t, text("bob"), 1).holder, 4U);
    cr_assert_eq(sp_claim_drop(t, text("bob"), 1, second), 0);
    cr_assert_eq(sp_claim_drop(t, text("bob"), 1, second), SP_EFENCED);
    cr_assert_eq(sp_claim_find(t, text("bob"), 1).fence, 0U);
    sp_claim_close(&t);
}

Test(claim, newest_of_all_devices)
{
    struct sp_claim_table *t;
    struct sp_claim former;
    cr_assert_eq(sp_claim_open(&t, 1), 0);
    cr_assert_eq(sp_claim_newest(t, text("bob")).fence, 0U);
    uint64_t a = take(t, "bob", 1, 10, &former);
    uint64_t b = take(t, "bob", 2, 20, &former);
    (void)take(t, "boB", 3, 30, &former);
    cr_assert_eq(sp_claim_newest(t, text("bob")).fence, b);
    cr_assert_eq(sp_claim_drop(t, text("bob"), 2, b), 0);
    cr_assert_eq(sp_claim_newest(t, text("bob")).fence, a);
    cr_assert_eq(sp_claim_newest(t, text("bob")).holder, 10U);
    sp_claim_close(&t);
}

Test(claim, many_claims_are_all_found)
{
    struct sp_claim_table *t;
    struct sp_claim former;
    enum { N = 5000 };
    static uint64_t fence[N];
    char id[16];
    cr_assert_eq(sp_claim_open(&t, 1), 0);
    for (uint32_t i = 0; i < N; i++) {
        (void)snprintf(id, sizeof(id), "u%u", i / 2);
        fence[i] = take(t, id, i % 2, i + 1, &former);
    }
    for (uint32_t i = 0; i < N; i++) {
        (void)snprintf(id, sizeof(id), "u%u", i / 2);
        struct sp_claim c = sp_claim_find(t, text(id), i % 2);
        cr_assert_eq(c.fence, fence[i]);
        cr_assert_eq(c.holder, i + 1);
        cr_assert_eq(sp_claim_drop(t, text(id), i % 2, fence[i]), 0);
    }
    sp_claim_close(&t);
}
