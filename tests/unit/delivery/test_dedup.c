/* Refused message ids. */
#include "dedup.h"

#include <criterion/criterion.h>

#define ROWS 300

static _Alignas(max_align_t) char memory[ROWS * (sizeof(struct sp_dedup_row) + sizeof(max_align_t))];

Test(dedup, remembers_the_first_answer)
{
    struct sp_pool pool;
    struct sp_dedup d;
    uint8_t code = 0;
    sp_pool_init(&pool, memory, sizeof(struct sp_dedup_row), ROWS);
    sp_dedup_init(&d, &pool);
    cr_assert_eq(sp_dedup_find(&d, (struct sp_msgid){5}, &code), SP_EAGAIN);
    cr_assert_eq(sp_dedup_add(&d, (struct sp_msgid){5}, 3), 0);
    cr_assert_eq(sp_dedup_add(&d, (struct sp_msgid){5}, 4), 0);
    cr_assert_eq(sp_dedup_find(&d, (struct sp_msgid){5}, &code), 0);
    cr_assert_eq(code, 3);
    cr_assert_eq(sp_dedup_find(&d, (struct sp_msgid){6}, &code), SP_EAGAIN);
    sp_dedup_wipe(&d);
    cr_assert_eq(pool.used, (size_t)0);
}

Test(dedup, is_bounded_by_itself_and_by_the_pool)
{
    struct sp_pool pool;
    struct sp_dedup one, two;
    uint8_t code;
    sp_pool_init(&pool, memory, sizeof(struct sp_dedup_row), ROWS);
    sp_dedup_init(&one, &pool);
    sp_dedup_init(&two, &pool);
    for (uint64_t id = 1; id <= SP_DEDUP_MAX; id++)
        cr_assert_eq(sp_dedup_add(&one, (struct sp_msgid){id}, 1), 0);
    cr_assert_eq(sp_dedup_add(&one, (struct sp_msgid){1000}, 1), SP_EFULL);
    cr_assert_eq(sp_dedup_add(&one, (struct sp_msgid){1}, 1), 0, "a known one needs no row");
    for (uint64_t id = 1; id <= ROWS - SP_DEDUP_MAX; id++)
        cr_assert_eq(sp_dedup_add(&two, (struct sp_msgid){id}, 2), 0);
    cr_assert_eq(sp_dedup_add(&two, (struct sp_msgid){1000}, 2), SP_EFULL);
    sp_dedup_wipe(&one);
    cr_assert_eq(sp_dedup_add(&two, (struct sp_msgid){1000}, 2), 0);
    cr_assert_eq(sp_dedup_find(&two, (struct sp_msgid){1000}, &code), 0);
}
