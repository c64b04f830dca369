/* Memory at start, none later. */
#include "arena.h"

#include <criterion/criterion.h>
#include <signal.h>

Test(arena, gives_zeroed_blocks_and_frees_them)
{
    struct sp_arena a = {0};
    const unsigned char *block = sp_arena_take(&a, 100, 3);
    cr_assert_not_null(block);
    for (int i = 0; i < 300; i++)
        cr_assert_eq(block[i], 0);
    cr_assert_null(sp_arena_take(&a, SIZE_MAX / 2, 4), "a product that does not fit");
    cr_assert(a.has_failed);
    sp_arena_free(&a);
    cr_assert_eq(a.blocks_n, (size_t)0);
}

#ifdef SAMPAN_COVERAGE
Test(arena, sealed_means_sealed)
{
    cr_skip_test("the coverage build has no traps (base/bug.h)");
}
#else
Test(arena, sealed_means_sealed, .signal = SIGILL)
{
    struct sp_arena a = {0};
    sp_arena_seal(&a);
    (void)sp_arena_take(&a, 1, 1);
}
#endif
