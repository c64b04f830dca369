/* The delay heap. */
#include <criterion/criterion.h>

#include "delay.h"

#define N 2000

static uint64_t scramble(uint64_t i)
{
    return (i * UINT64_C(2654435761)) % 997;
}

Test(delay, comes_out_by_time_then_by_order)
{
    static struct sp_delay_node nodes[N];
    struct sp_delay d;
    sp_delay_init(&d);
    cr_assert_null(sp_delay_first(&d));
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(sp_delay_push(&d, &nodes[i], (int64_t)scramble(i)), 0);
    const struct sp_delay_node *before = NULL;
    for (size_t i = 0; i < N; i++) {
        struct sp_delay_node *first = sp_delay_first(&d);
        cr_assert_not_null(first);
        if (before != NULL)
            cr_assert(before->due_us < first->due_us || (before->due_us == first->due_us && before < first));
        before = first;
        sp_delay_remove(&d, first);
    }
    cr_assert_null(sp_delay_first(&d));
    sp_delay_wipe(&d);
}

Test(delay, removes_from_the_middle)
{
    static struct sp_delay_node nodes[N];
    struct sp_delay d;
    sp_delay_init(&d);
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(sp_delay_push(&d, &nodes[i], (int64_t)scramble(i)), 0);
    for (size_t i = 0; i < N; i += 2)
        sp_delay_remove(&d, &nodes[i]);
    int64_t before = -1;
    for (size_t left = N / 2; left > 0; left--) {
        struct sp_delay_node *first = sp_delay_first(&d);
        cr_assert_geq(first->due_us, before);
        cr_assert_eq((first - nodes) % 2, 1);
        before = first->due_us;
        sp_delay_remove(&d, first);
    }
    cr_assert_null(sp_delay_first(&d));
    sp_delay_wipe(&d);
}

Test(delay, moved_nodes_go_behind_their_equals)
{
    struct sp_delay_node a = {0};
    struct sp_delay_node b = {0};
    struct sp_delay_node c = {0};
    struct sp_delay d;
    sp_delay_init(&d);
    cr_assert_eq(sp_delay_push(&d, &a, 10), 0);
    cr_assert_eq(sp_delay_push(&d, &b, 20), 0);
    cr_assert_eq(sp_delay_push(&d, &c, 30), 0);
    sp_delay_move(&d, &a, 20);
    cr_expect_eq(sp_delay_first(&d), &b);
    sp_delay_move(&d, &c, 5);
    cr_expect_eq(sp_delay_first(&d), &c);
    sp_delay_remove(&d, &c);
    sp_delay_remove(&d, &b);
    cr_expect_eq(sp_delay_first(&d), &a);
    sp_delay_wipe(&d);
}

Test(delay, is_bounded)
{
    static struct sp_delay_node nodes[SP_DELAY_MAX + 1];
    struct sp_delay d;
    sp_delay_init(&d);
    for (size_t i = 0; i < SP_DELAY_MAX; i++)
        cr_assert_eq(sp_delay_push(&d, &nodes[i], (int64_t)i), 0);
    cr_expect_eq(sp_delay_push(&d, &nodes[SP_DELAY_MAX], 0), -1);
    cr_expect_eq(sp_delay_first(&d), &nodes[0]);
    sp_delay_remove(&d, &nodes[77]);
    cr_expect_eq(sp_delay_push(&d, &nodes[SP_DELAY_MAX], -1), 0);
    cr_expect_eq(sp_delay_first(&d), &nodes[SP_DELAY_MAX]);
    sp_delay_wipe(&d);
}
