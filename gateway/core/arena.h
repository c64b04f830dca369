/* The memory of the core: zeroed blocks taken while the gateway is created, freed all at once.  The only file
 * of the core that allocates; after seal a take is a bug. */
#ifndef SP_ARENA_H
#define SP_ARENA_H

#include <sampan/types.h>

#include "pool.h"

#define SP_ARENA_BLOCKS_MAX 32

struct sp_arena {
    void *blocks[SP_ARENA_BLOCKS_MAX];
    size_t blocks_n;
    bool is_sealed, has_failed;
};

/* n zeroed elements of `size` bytes, or NULL (and has_failed is set) when the system has no memory for them.
 */
void *sp_arena_take(struct sp_arena *a, size_t n, size_t size);
/* Lays a pool over memory of its own. */
void sp_arena_pool(struct sp_arena *a, struct sp_pool *pool, size_t slot_len, size_t slots_max);
void sp_arena_seal(struct sp_arena *a);
/* Frees every block.  *a must not lie in one of them. */
void sp_arena_free(struct sp_arena *a);

#endif
