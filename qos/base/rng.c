/* A random stream with fast key erasure (D. J. Bernstein, "Fast-key-erasure random-number generators", 2017):
 * each refill replaces the seed, so a stolen state says nothing about numbers already given out. */
#include "rng.h"

#include "bug.h"

#include <string.h>

/* A draw is refused with probability below 1/2, so this many refusals in a row do not happen; the bound is
 * there because every loop has one. */
#define DRAWS_MAX 128

static void refill(struct sp_rng *r)
{
    static const uint8_t label[] = {'s', 'a', 'm', 'p', 'a', 'n', '-', 'r', 'n', 'g', '-', '1'};
    const struct sp_crypto *c = r->crypto;
    struct sp_view key = {.p = r->seed, .n = sizeof r->seed};
    struct sp_view part = {.p = label, .n = sizeof label};
    uint8_t out[sizeof r->seed + sizeof r->block];

    c->blake2b(c->self, out, sizeof out, key, &part, 1);
    memcpy(r->seed, out, sizeof r->seed);
    memcpy(r->block, out + sizeof r->seed, sizeof r->block);
    c->wipe(c->self, out, sizeof out);
    r->used = 0;
}

void sp_rng_init(struct sp_rng *r, const struct sp_crypto *crypto, const uint8_t seed[32])
{
    r->crypto = crypto;
    memcpy(r->seed, seed, sizeof r->seed);
    refill(r);
}

void sp_rng_bytes(struct sp_rng *r, uint8_t *dst, size_t n)
{
    while (n > 0) {
        if (r->used == sizeof r->block)
            refill(r);
        size_t room = sizeof r->block - r->used;
        size_t take = n < room ? n : room;
        memcpy(dst, r->block + r->used, take);
        r->crypto->wipe(r->crypto->self, r->block + r->used, take);
        r->used += take;
        dst += take;
        n -= take;
    }
}

static uint64_t draw(struct sp_rng *r)
{
    uint8_t b[8];
    uint64_t v = 0;
    sp_rng_bytes(r, b, sizeof b);
    for (size_t i = 0; i < sizeof b; i++)
        v = v << 8 | b[i];
    return v;
}

uint64_t sp_rng_below(struct sp_rng *r, uint64_t bound)
{
    SP_ASSERT(bound >= 1);
    /* The 2^64 mod bound smallest draws would make the small results more likely, so they are drawn again. */
    uint64_t refused = (UINT64_MAX - bound + 1) % bound;
    uint64_t v = draw(r);
    for (int i = 0; i < DRAWS_MAX && v < refused; i++)
        v = draw(r);
    return v % bound;
}

sp_time sp_rng_jitter(struct sp_rng *r, sp_time t, unsigned percent)
{
    SP_ASSERT(t >= 0);
    SP_ASSERT(percent <= 100);
    if (t > SP_NEVER / 4)
        return t;
    sp_time span = t / 100 * (sp_time)percent + t % 100 * (sp_time)percent / 100;
    return t - span + (sp_time)sp_rng_below(r, 2 * (uint64_t)span + 1);
}
