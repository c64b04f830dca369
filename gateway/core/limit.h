/* Token buckets in a fixed array, one per keyed hash of what is limited.  Two that share a slot share its
 * rate: the array bounds memory, not fairness.  A bucket is one time: when it will be full again (the
 * "generic cell rate algorithm" of ITU-T I.371). */
#ifndef SP_LIMIT_H
#define SP_LIMIT_H

#include <sampan/types.h>

struct sp_limit {
    sp_time *full_at; /* memory of the caller */
    size_t mask;
    sp_time every; /* one more each `every` microseconds */
    sp_time depth; /* (burst - 1) * every */
};

/* `full_at`: buckets_n slots (a power of two), borrowed for the limit's life; all begin full. */
void sp_limit_init(struct sp_limit *l, sp_time *full_at, size_t buckets_n, sp_time every, unsigned burst,
                   sp_time now);
/* Takes one from the bucket of `hash`; false: it is empty, nothing changed. */
bool sp_limit_take(struct sp_limit *l, uint64_t hash, sp_time now);

#endif
