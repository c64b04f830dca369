/* The random stream of the crash proof: small, fast, the same on every machine.  Not for secrets. */
#ifndef SP_CRASH_RNG_H
#define SP_CRASH_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct crash_rng {
    uint64_t v;
};

/* A well-mixed number made of two: also used as a stateless draw. */
static inline uint64_t crash_mix(uint64_t a, uint64_t b)
{
    uint64_t z = a + 0x9e3779b97f4a7c15U * (b + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static inline uint64_t crash_next(struct crash_rng *r)
{
    r->v += 0x9e3779b97f4a7c15U;
    return crash_mix(r->v, 0);
}

/* 0..bound-1; bound >= 1. */
static inline uint32_t crash_below(struct crash_rng *r, uint32_t bound)
{
    return (uint32_t)((crash_next(r) >> 32) * bound >> 32);
}

static inline bool crash_chance(struct crash_rng *r, uint32_t percent)
{
    return crash_below(r, 100) < percent;
}

#endif
