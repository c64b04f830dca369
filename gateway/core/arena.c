/* calloc at start, free at the end, nothing between. */
#include "arena.h"

#include "bug.h"

#include <stdlib.h>

void *sp_arena_take(struct sp_arena *a, size_t n, size_t size)
{
    SP_ASSERT(!a->is_sealed);
    SP_ASSERT(a->blocks_n < SP_ARENA_BLOCKS_MAX);
    SP_ASSERT(n > 0);
    SP_ASSERT(size > 0);
    void *block = n > SIZE_MAX / size ? NULL : calloc(n, size);
    if (block == NULL) {
        a->has_failed = true;
        return NULL;
    }
    a->blocks[a->blocks_n++] = block;
    return block;
}

void sp_arena_pool(struct sp_arena *a, struct sp_pool *pool, size_t slot_len, size_t slots_max)
{
    void *mem = sp_arena_take(a, 1, sp_pool_footprint(slot_len, slots_max));
    if (mem != NULL)
        sp_pool_init(pool, mem, slot_len, slots_max);
}

void sp_arena_seal(struct sp_arena *a)
{
    a->is_sealed = true;
}

void sp_arena_free(struct sp_arena *a)
{
    while (a->blocks_n > 0)
        free(a->blocks[--a->blocks_n]);
}
