/* Two hashes are behind everything: one of 8 bytes per multiplication, folded to 64 bits, and, for what every
 * datagram pays, one of 16 bytes per multiplication to 128 bits. */
#include "fastcrypto.h"

#include <sampan/err.h>

#include <string.h>

#define ODD_A 0x9e3779b97f4a7c15u
#define ODD_B 0xd1342543de82ef95u

static uint64_t load8(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t load4(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Fewer than 8 bytes, which would be too few for a call of memcpy; two steps may take the same ones. */
static inline uint64_t load(const uint8_t *p, size_t n)
{
    if (n >= 4)
        return load4(p) | load4(p + n - 4) << 8 * (n - 4);
    if (n == 0)
        return 0;
    return p[0] | (uint64_t)p[n / 2] << 8 * (n / 2) | (uint64_t)p[n - 1] << 8 * (n - 1);
}

static inline void store(uint8_t *dst, uint64_t v, size_t n)
{
    if (n >= 4) {
        const uint32_t first = (uint32_t)v, last = (uint32_t)(v >> 8 * (n - 4));
        memcpy(dst, &first, sizeof first);
        memcpy(dst + n - 4, &last, sizeof last);
    } else {
        for (size_t i = 0; i < n; i++)
            dst[i] = (uint8_t)(v >> 8 * i);
    }
}

/* Both halves of a product of 64 bits, without a type of 128. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    uint64_t p = (a ^ ODD_A) * (b | 1);
    return p ^ p >> 32 ^ (a << 23 | a >> 41);
}

uint64_t sp_fastcrypto_hash(uint64_t seed, struct sp_view bytes)
{
    uint64_t h = seed ^ bytes.n * ODD_B, other = ~seed;
    size_t i = 0;
    for (; i + 16 <= bytes.n; i += 16) { /* two lanes, so that one need not wait for the other */
        h = fold(h ^ load8(bytes.p + i), ODD_B);
        other = fold(other ^ load8(bytes.p + i + 8), ODD_A);
    }
    if (i + 8 <= bytes.n) {
        h = fold(h ^ load8(bytes.p + i), ODD_B);
        i += 8;
    }
    if (i < bytes.n)
        h = fold(h ^ load(bytes.p + i, bytes.n - i), ODD_A);
    return fold(h ^ h >> 29 ^ other << 1, ODD_A);
}

__extension__ typedef unsigned __int128 wide; /* gcc and clang have it on every machine of our kind */

/* The halves of a product. */
static inline uint64_t multiply(uint64_t a, uint64_t b)
{
    wide p = (wide)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* Takes bytes into a hash; the last step may take some a second time. */
static inline uint64_t take(uint64_t h, const uint8_t *p, size_t n)
{
    h ^= n * ODD_B;
    for (; n >= 16; p += 16, n -= 16)
        h = multiply(load8(p) ^ ODD_A, load8(p + 8) ^ h);
    if (n >= 8)
        return multiply(load8(p) ^ ODD_A, load8(p + n - 8) ^ h);
    if (n >= 4)
        return multiply(load4(p) ^ ODD_A, load4(p + n - 4) ^ h);
    if (n > 0)
        return multiply(((uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1]) ^ ODD_A, ODD_B ^ h);
    return h;
}

/* The parts as one row of blocks of 8 bytes, so that the cut between two of them does not matter. */
static uint64_t hash_parts(uint64_t h, const struct sp_view *parts, size_t n)
{
    uint64_t total = 0, rest = 0; /* rest: `filled` bytes of a block that is not full */
    size_t filled = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = parts[i].p;
        size_t left = parts[i].n;
        total += left;
        if (left == 0)
            continue;
        if (filled > 0) {
            size_t taken = left < 8 - filled ? left : 8 - filled;
            rest |= load(p, taken) << 8 * filled;
            filled += taken;
            left -= taken;
            p += taken;
            if (filled < 8)
                continue;
            h = fold(h ^ rest, ODD_B);
        }
        for (const uint8_t *end = p + left / 8 * 8; p < end; p += 8)
            h = fold(h ^ load8(p), ODD_B);
        rest = load(p, left % 8);
        filled = left % 8;
    }
    if (filled > 0)
        h = fold(h ^ rest, ODD_A);
    return fold(h ^ total * ODD_B, ODD_A);
}

static void spread(uint8_t *out, size_t n, uint64_t h)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        h = fold(h + ODD_B, ODD_A);
        memcpy(out + i, &h, 8);
    }
    if (i < n) {
        h = fold(h + ODD_B, ODD_A);
        memcpy(out + i, &h, n - i);
    }
}

static void product(uint8_t out[32], const uint8_t a[32], const uint8_t b[32])
{
    uint64_t x[4], y[4];
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    for (size_t i = 0; i < 4; i++)
        x[i] = (x[i] | 1) * (y[i] | 1);
    memcpy(out, x, sizeof x);
}

static int x25519(void *self, uint8_t out[32], const uint8_t secret[32], const uint8_t point[32])
{
    static const uint8_t zero[32];
    (void)self;
    if (memcmp(point, zero, sizeof zero) == 0)
        return SP_EAUTH; /* stands for a point of low order */
    product(out, secret, point);
    return 0;
}

static void x25519_base(void *self, uint8_t out[32], const uint8_t secret[32])
{
    static const uint8_t one[32] = {1, [8] = 1, [16] = 1, [24] = 1};
    (void)self;
    product(out, secret, one);
}

/* Of key and nonce. */
static inline uint64_t pad_of(const uint8_t key[32], struct sp_view nonce)
{
    return take(take(ODD_A, key, 32), nonce.p, nonce.n);
}

static void tag_of(uint64_t tag[2], uint64_t pad, struct sp_view ad, struct sp_view sealed)
{
    uint64_t h = take(take(pad, ad.p, ad.n), sealed.p, sealed.n);
    tag[0] = multiply(h ^ ODD_A, ODD_B);
    tag[1] = h;
}

/* dst may be the text. */
static void cover(uint8_t *dst, struct sp_view text, uint64_t pad)
{
    size_t i = 0;
    for (; i + 16 <= text.n; i += 16) {
        uint64_t two[2] = {load8(text.p + i) ^ pad, load8(text.p + i + 8) ^ pad};
        memcpy(dst + i, two, sizeof two);
    }
    if (i + 8 <= text.n) {
        uint64_t v = load8(text.p + i) ^ pad;
        memcpy(dst + i, &v, sizeof v);
        i += 8;
    }
    if (i < text.n)
        store(dst + i, load(text.p + i, text.n - i) ^ pad, text.n - i);
}

static void seal_any(uint8_t *dst, uint64_t pad, struct sp_view ad, struct sp_view text)
{
    uint64_t tag[2];
    cover(dst, text, pad);
    tag_of(tag, pad, ad, (struct sp_view){dst, text.n});
    memcpy(dst + text.n, tag, SP_TAG_LEN);
}

static int open_any(uint8_t *dst, uint64_t pad, struct sp_view ad, struct sp_view sealed)
{
    uint64_t tag[2];
    if (sealed.n < SP_TAG_LEN)
        return SP_EAUTH;
    struct sp_view text = {sealed.p, sealed.n - SP_TAG_LEN};
    tag_of(tag, pad, ad, text);
    if (load8(sealed.p + text.n) != tag[0] || load8(sealed.p + text.n + 8) != tag[1])
        return SP_EAUTH;
    cover(dst, text, pad);
    return 0;
}

static void seal(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[12], struct sp_view ad,
                 struct sp_view text)
{
    (void)self;
    seal_any(dst, pad_of(key, (struct sp_view){nonce, 12}), ad, text);
}

static int open(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[12], struct sp_view ad,
                struct sp_view sealed)
{
    (void)self;
    return open_any(dst, pad_of(key, (struct sp_view){nonce, 12}), ad, sealed);
}

static void xseal(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[24], struct sp_view ad,
                  struct sp_view text)
{
    (void)self;
    seal_any(dst, pad_of(key, (struct sp_view){nonce, 24}), ad, text);
}

static int xopen(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[24], struct sp_view ad,
                 struct sp_view sealed)
{
    (void)self;
    return open_any(dst, pad_of(key, (struct sp_view){nonce, 24}), ad, sealed);
}

static void sha256(void *self, uint8_t out[32], const struct sp_view *parts, size_t n)
{
    (void)self;
    spread(out, 32, hash_parts(256, parts, n));
}

static void hmac_sha256(void *self, uint8_t out[32], struct sp_view key, const struct sp_view *parts,
                        size_t n)
{
    (void)self;
    spread(out, 32, hash_parts(sp_fastcrypto_hash(2, key), parts, n));
}

static void blake2b(void *self, uint8_t *out, size_t out_len, struct sp_view key, const struct sp_view *parts,
                    size_t n)
{
    (void)self;
    spread(out, out_len, hash_parts(sp_fastcrypto_hash(out_len, key), parts, n));
}

static void siphash(void *self, uint8_t out[8], const uint8_t key[16], struct sp_view in)
{
    (void)self;
    uint64_t h = sp_fastcrypto_hash(load8(key) ^ load8(key + 8) * ODD_B, in);
    memcpy(out, &h, 8);
}

static int compare(void *self, const uint8_t *a, const uint8_t *b, size_t n)
{
    (void)self;
    return n == 0 ? 0 : memcmp(a, b, n);
}

static void wipe(void *self, void *p, size_t n)
{
    (void)self;
    if (n > 0)
        memset(p, 0, n);
}

const struct sp_crypto *sp_fastcrypto(void)
{
    static const struct sp_crypto table = {.x25519 = x25519,
                                           .x25519_base = x25519_base,
                                           .seal = seal,
                                           .open = open,
                                           .xseal = xseal,
                                           .xopen = xopen,
                                           .sha256 = sha256,
                                           .hmac_sha256 = hmac_sha256,
                                           .blake2b = blake2b,
                                           .siphash = siphash,
                                           .compare = compare,
                                           .wipe = wipe};
    return &table;
}
