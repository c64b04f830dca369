/* Chains of equal hashes. */
#include "table.h"

#include "crypto_sodium.h"

#include <criterion/criterion.h>

struct item {
    struct sp_hook hook;
    int value;
};

Test(table, finds_all_of_one_hash_and_no_other)
{
    struct sp_arena a = {0};
    struct sp_table t;
    struct item items[40] = {{{0}, 0}};
    sp_table_init(&t, &a, 10);
    for (int i = 0; i < 40; i++) {
        items[i].value = i;
        sp_table_add(&t, &items[i].hook, (uint64_t)(i % 4) << 32 | (uint64_t)(i % 2));
    }
    for (int i = 0; i < 40; i += 8)
        sp_table_remove(&t, &items[i].hook);
    cr_assert_eq(t.used, (size_t)35);
    int found = 0;
    for (struct sp_hook *h = sp_table_first(&t, 0); h != NULL; h = sp_table_next(h)) {
        cr_assert_eq(SP_TABLE_ITEM(h, struct item, hook)->value % 4, 0);
        found++;
    }
    cr_assert_eq(found, 5, "of 0, 4, 8 ... 36 those not divisible by 8");
    cr_assert_null(sp_table_first(&t, 1), "no such hash in a chain that is not empty");
    sp_arena_free(&a);
}

Test(table, hash_depends_on_key_and_bytes)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    uint8_t key[16] = {1}, bytes[3] = {1, 2, 3};
    uint64_t h = sp_table_hash(c, key, (struct sp_view){bytes, 3});
    cr_assert_eq(h, sp_table_hash(c, key, (struct sp_view){bytes, 3}));
    cr_assert_neq(h, sp_table_hash(c, key, (struct sp_view){bytes, 2}));
    key[0] = 2;
    cr_assert_neq(h, sp_table_hash(c, key, (struct sp_view){bytes, 3}));
}
