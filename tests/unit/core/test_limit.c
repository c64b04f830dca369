/* Token buckets: the table is the spec. */
#include "limit.h"

#include <criterion/criterion.h>

#define BUCKETS 16

Test(limit, burst_then_rate)
{
    static const struct {
        sp_time at;
        bool expected;
    } steps[] = {
        {1000, true},  {1000, true}, {1000, true},  {1000, false}, /* burst 3 at once */
        {1009, false}, {1010, true}, {1010, false},                /* one more each 10 */
        {1040, true},  {1040, true}, {1040, true},  {1040, false}, /* full again, and not more than full */
        {9999, true},  {9999, true}, {9999, true},  {9999, false},
    };
    sp_time slots[BUCKETS];
    struct sp_limit l;
    sp_limit_init(&l, slots, BUCKETS, 10, 3, 1000);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        cr_assert_eq(sp_limit_take(&l, 5, steps[i].at), steps[i].expected, "step %zu", i);
}

Test(limit, buckets_are_separate_and_time_may_be_negative)
{
    sp_time slots[BUCKETS];
    struct sp_limit l;
    sp_limit_init(&l, slots, BUCKETS, 10, 1, -50);
    cr_assert(sp_limit_take(&l, 1, -50));
    cr_assert_not(sp_limit_take(&l, 1, -50));
    cr_assert(sp_limit_take(&l, 2, -50));
    cr_assert_not(sp_limit_take(&l, 1 + BUCKETS, -50), "equal modulo the array: shared");
    cr_assert(sp_limit_take(&l, 1, -40));
}
