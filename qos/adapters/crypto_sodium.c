/* sp_crypto on libsodium.  Thin: lengths are checked here, everything else is libsodium's. */
#include "crypto_sodium.h"

#include <sampan/err.h>

#include "bug.h"

#include <sodium.h>

static int x25519(void *self, uint8_t out[32], const uint8_t secret[32], const uint8_t point[32])
{
    (void)self;
    return crypto_scalarmult(out, secret, point) == 0 ? 0 : SP_EAUTH;
}

static void x25519_base(void *self, uint8_t out[32], const uint8_t secret[32])
{
    (void)self;
    SP_ASSERT(crypto_scalarmult_base(out, secret) == 0);
}

static void seal(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[12], struct sp_view ad,
                 struct sp_view text)
{
    (void)self;
    SP_ASSERT(crypto_aead_chacha20poly1305_ietf_encrypt(dst, NULL, text.p, text.n, ad.p, ad.n, NULL, nonce,
                                                        key) == 0);
}

static int open(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[12], struct sp_view ad,
                struct sp_view sealed)
{
    (void)self;
    if (sealed.n < SP_TAG_LEN)
        return SP_EAUTH;
    return crypto_aead_chacha20poly1305_ietf_decrypt(dst, NULL, NULL, sealed.p, sealed.n, ad.p, ad.n, nonce,
                                                     key) == 0
               ? 0
               : SP_EAUTH;
}

static void xseal(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[24], struct sp_view ad,
                  struct sp_view text)
{
    (void)self;
    SP_ASSERT(crypto_aead_xchacha20poly1305_ietf_encrypt(dst, NULL, text.p, text.n, ad.p, ad.n, NULL, nonce,
                                                         key) == 0);
}

static int xopen(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[24], struct sp_view ad,
                 struct sp_view sealed)
{
    (void)self;
    if (sealed.n < SP_TAG_LEN)
        return SP_EAUTH;
    return crypto_aead_xchacha20poly1305_ietf_decrypt(dst, NULL, NULL, sealed.p, sealed.n, ad.p, ad.n, nonce,
                                                      key) == 0
               ? 0
               : SP_EAUTH;
}

static void sha256(void *self, uint8_t out[32], const struct sp_view *parts, size_t n)
{
    (void)self;
    crypto_hash_sha256_state st;
    crypto_hash_sha256_init(&st);
    for (size_t i = 0; i < n; i++)
        crypto_hash_sha256_update(&st, parts[i].p, parts[i].n);
    crypto_hash_sha256_final(&st, out);
}

static void hmac_sha256(void *self, uint8_t out[32], struct sp_view key, const struct sp_view *parts,
                        size_t n)
{
    (void)self;
    crypto_auth_hmacsha256_state st;
    crypto_auth_hmacsha256_init(&st, key.p, key.n);
    for (size_t i = 0; i < n; i++)
        crypto_auth_hmacsha256_update(&st, parts[i].p, parts[i].n);
    crypto_auth_hmacsha256_final(&st, out);
    sodium_memzero(&st, sizeof st);
}

static void blake2b(void *self, uint8_t *out, size_t out_len, struct sp_view key, const struct sp_view *parts,
                    size_t n)
{
    (void)self;
    crypto_generichash_state st;
    SP_ASSERT(crypto_generichash_init(&st, key.n > 0 ? key.p : NULL, key.n, out_len) == 0);
    for (size_t i = 0; i < n; i++)
        SP_ASSERT(crypto_generichash_update(&st, parts[i].p, parts[i].n) == 0);
    SP_ASSERT(crypto_generichash_final(&st, out, out_len) == 0);
    sodium_memzero(&st, sizeof st);
}

static void siphash(void *self, uint8_t out[8], const uint8_t key[16], struct sp_view in)
{
    (void)self;
    SP_ASSERT(crypto_shorthash(out, in.p, in.n, key) == 0);
}

static int compare(void *self, const uint8_t *a, const uint8_t *b, size_t n)
{
    (void)self;
    return sodium_memcmp(a, b, n);
}

static void wipe(void *self, void *p, size_t n)
{
    (void)self;
    sodium_memzero(p, n);
}

const struct sp_crypto *sp_crypto_sodium(void)
{
    static const struct sp_crypto table = {
        .x25519 = x25519,
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
        .wipe = wipe,
    };
    return sodium_init() < 0 ? NULL : &table;
}
