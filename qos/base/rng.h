/* A random stream from a 32-byte seed given once: BLAKE2b keyed with the seed makes 64 bytes, of which one
 * half becomes the next seed and the other is given out, so that earlier output cannot be recomputed from a
 * later state.  As good as its seed; never asks the system. */
#ifndef SP_RNG_H
#define SP_RNG_H

#include <sampan/crypto.h>

struct sp_rng {
    const struct sp_crypto *crypto;
    uint8_t seed[32], block[32];
    size_t used; /* bytes of block already given out */
};

/* Copies the seed; borrows `crypto` for the life of the stream. */
void sp_rng_init(struct sp_rng *r, const struct sp_crypto *crypto, const uint8_t seed[32]);
/* Fills dst with n random bytes. */
void sp_rng_bytes(struct sp_rng *r, uint8_t *dst, size_t n);
/* Uniform in [0, bound), bound >= 1, without modulo bias. */
uint64_t sp_rng_below(struct sp_rng *r, uint64_t bound);
/* `t` (0 or more) stretched or shrunk uniformly by up to `percent` (0..100) either way.  SP_NEVER, and
 * whatever the stretching might carry past it, stays as it is. */
sp_time sp_rng_jitter(struct sp_rng *r, sp_time t, unsigned percent);

#endif
