/* pool.c: capacity, zeroing, alignment, reuse. */
#include "pool.h"

#include <criterion/criterion.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct pool_case {
    size_t slot_len, slots_max;
};
static const struct pool_case cases[] = {{1, 1},  {1, 7},    {8, 3}, {16, 5},
                                         {17, 4}, {1200, 9}, {0, 2}, {40, 0}};

#define CASES_N (sizeof cases / sizeof cases[0])

static bool is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0)
            return false;
    }
    return true;
}

Test(pool, takes_exactly_its_slots)
{
    for (size_t i = 0; i < CASES_N; i++) {
        size_t len = sp_pool_footprint(cases[i].slot_len, cases[i].slots_max);
        uint8_t *mem = malloc(len > 0 ? len : 1);
        struct sp_pool p;
        memset(mem, 0xee, len);
        sp_pool_init(&p, mem, cases[i].slot_len, cases[i].slots_max);
        for (size_t k = 0; k < cases[i].slots_max; k++) {
            uint8_t *slot = sp_pool_take(&p);
            cr_assert_not_null(slot);
            cr_assert_eq((uintptr_t)slot % _Alignof(max_align_t), 0);
            cr_assert_geq(slot, mem);
            cr_assert_leq(slot + cases[i].slot_len, mem + len);
            cr_assert(is_zero(slot, cases[i].slot_len));
            memset(slot, (int)k + 1, cases[i].slot_len); /* would spoil another slot if two overlapped */
        }
        cr_assert_eq(p.used, cases[i].slots_max);
        cr_assert_null(sp_pool_take(&p));
        cr_assert_eq(p.used, cases[i].slots_max);
        free(mem);
    }
}

Test(pool, gives_back_and_takes_again)
{
    enum { SLOTS = 16, ROUNDS = 5000 };
    size_t len = sp_pool_footprint(sizeof(uint32_t), SLOTS);
    uint8_t *mem = malloc(len);
    struct sp_pool p;
    uint32_t *held[SLOTS] = {0};
    uint32_t random = 1;
    size_t n = 0;
    sp_pool_init(&p, mem, sizeof(uint32_t), SLOTS);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        random = random * 1664525u + 1013904223u;
        size_t at = random >> 28;
        if (held[at] == NULL) {
            held[at] = sp_pool_take(&p);
            cr_assert_not_null(held[at]);
            cr_assert_eq(*held[at], 0);
            *held[at] = (uint32_t)at + 100;
            n++;
        } else {
            cr_assert_eq(*held[at], at + 100, "slot %zu was given twice", at);
            sp_pool_give(&p, held[at]);
            held[at] = NULL;
            n--;
        }
        cr_assert_eq(p.used, n);
    }
    free(mem);
}
