/* Token buckets kept as one time each. */
#include "limit.h"

#include "bug.h"

void sp_limit_init(struct sp_limit *l, sp_time *full_at, size_t buckets_n, sp_time every, unsigned burst,
                   sp_time now)
{
    SP_ASSERT(buckets_n > 0);
    SP_ASSERT((buckets_n & (buckets_n - 1)) == 0);
    SP_ASSERT(burst > 0);
    l->full_at = full_at;
    l->mask = buckets_n - 1;
    l->every = every;
    l->depth = (sp_time)(burst - 1) * every;
    for (size_t i = 0; i < buckets_n; i++)
        full_at[i] = now;
}

bool sp_limit_take(struct sp_limit *l, uint64_t hash, sp_time now)
{
    sp_time *full_at = &l->full_at[hash & l->mask];
    sp_time from = *full_at > now ? *full_at : now;
    if (from - now > l->depth)
        return false;
    *full_at = from + l->every;
    return true;
}
