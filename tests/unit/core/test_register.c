/* Ephemeral keys of the last minute. */
#include "register.h"

#include <criterion/criterion.h>

Test(register, finds_until_it_expires)
{
    struct sp_arena a = {0};
    struct sp_register r;
    uint8_t e[32] = {0};
    sp_register_init(&r, &a, 4, 60);
    for (uint8_t i = 0; i < 4; i++) {
        e[0] = i;
        cr_assert_null(sp_register_find(&r, 9, e), "equal hash, other key");
        cr_assert_not_null(sp_register_add(&r, 9, e, i));
    }
    cr_assert(sp_register_is_full(&r));
    e[0] = 4;
    cr_assert_null(sp_register_add(&r, 9, e, 4), "full means full");
    for (sp_time now = 0; now < 70; now++) {
        sp_register_expire(&r, now);
        for (uint8_t i = 0; i < 4; i++) {
            e[0] = i;
            cr_assert_eq(sp_register_find(&r, 9, e) != NULL, now < 60 + i, "key %u at %d", i, (int)now);
        }
    }
    cr_assert_not_null(sp_register_add(&r, 9, e, 70), "room again");
    sp_arena_free(&a);
}
