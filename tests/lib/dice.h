/* Dice of a test: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).  A stream of its own for each purpose, so
 * that one more throw for one of them changes none of the others. */
#ifndef SP_DICE_H
#define SP_DICE_H

#include <sampan/types.h>

struct sp_dice {
    uint64_t state;
};

static inline uint64_t sp_dice_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static inline uint64_t sp_dice_throw(struct sp_dice *d)
{
    return sp_dice_mix(d->state += 0x9e3779b97f4a7c15u);
}
/* A stream named `purpose` of a seed. */
static inline struct sp_dice sp_dice_of(uint64_t seed, uint64_t purpose)
{
    return (struct sp_dice){
        sp_dice_mix(sp_dice_mix(seed + 0x9e3779b97f4a7c15u) + purpose * 0xd1342543de82ef95u)};
}
/* [0, n); n >= 1. */
static inline uint64_t sp_dice_below(struct sp_dice *d, uint64_t n)
{
    return sp_dice_throw(d) % n;
}
/* [lo, hi]. */
static inline uint64_t sp_dice_between(struct sp_dice *d, uint64_t lo, uint64_t hi)
{
    return lo + sp_dice_below(d, hi - lo + 1);
}
static inline bool sp_dice_chance(struct sp_dice *d, unsigned percent)
{
    return sp_dice_below(d, 100) < percent;
}
/* A time in [0, 2 * mean]: the next of events that come every `mean` on average. */
static inline sp_time sp_dice_wait(struct sp_dice *d, sp_time mean)
{
    return (sp_time)sp_dice_below(d, 2 * (uint64_t)mean + 1);
}
/* One whose logarithm is even: small ones as often as large ones.  lo >= 1. */
static inline uint64_t sp_dice_scale(struct sp_dice *d, uint64_t lo, uint64_t hi)
{
    uint64_t top = lo;
    unsigned doublings = 0;
    while (top <= hi / 2) {
        top *= 2;
        doublings++;
    }
    uint64_t from = lo << sp_dice_below(d, doublings + 1);
    uint64_t to = 2 * from - 1 < hi ? 2 * from - 1 : hi;
    return sp_dice_between(d, from, to);
}

#endif
