/* Carried seqs: a window that moves. */
#include "carry.h"

#include <criterion/criterion.h>

Test(carry, adds_and_removes)
{
    struct sp_carry c = {0};
    cr_assert_not(sp_carry_has(&c, 7));
    cr_assert_eq(sp_carry_add(&c, 7), 0);
    cr_assert_eq(sp_carry_add(&c, 7), 0);
    cr_assert_eq(c.n, 1U);
    cr_assert(sp_carry_has(&c, 7));
    cr_assert_not(sp_carry_has(&c, 7 + SP_CARRY_WINDOW));
    sp_carry_remove(&c, 8);
    sp_carry_remove(&c, 7);
    cr_assert_eq(c.n, 0U);
    cr_assert_not(sp_carry_has(&c, 7));
}

Test(carry, refuses_what_is_too_far)
{
    struct sp_carry c = {0};
    cr_assert_eq(sp_carry_add(&c, 1000), 0);
    cr_assert_eq(sp_carry_add(&c, 1000 + SP_CARRY_WINDOW), SP_EFULL);
    cr_assert_eq(sp_carry_add(&c, 999 + SP_CARRY_WINDOW), 0);
    cr_assert_eq(sp_carry_add(&c, 999), SP_EFULL);
    sp_carry_remove(&c, 1000);
    cr_assert_eq(sp_carry_add(&c, 1000 + SP_CARRY_WINDOW), 0, "the window has moved");
    cr_assert_eq(sp_carry_first(&c, 1, UINT32_MAX), 999U + SP_CARRY_WINDOW);
}

Test(carry, finds_the_first_of_a_range)
{
    struct sp_carry c = {0};
    cr_assert_eq(sp_carry_first(&c, 1, UINT32_MAX), 0U);
    for (uint32_t seq = UINT32_MAX - 5; seq != 0; seq++)
        cr_assert_eq(sp_carry_add(&c, seq), 0);
    cr_assert_eq(sp_carry_first(&c, 1, UINT32_MAX - 6), 0U);
    cr_assert_eq(sp_carry_first(&c, UINT32_MAX - 3, UINT32_MAX), UINT32_MAX - 3);
    sp_carry_remove(&c, UINT32_MAX - 3);
    cr_assert_eq(sp_carry_first(&c, UINT32_MAX - 3, UINT32_MAX), UINT32_MAX - 2);
    cr_assert_eq(sp_carry_first(&c, 5, 4), 0U);
}
