/* cookie.c: who gets through with a cookie, a connection id, a reset token.  Exact bytes are in
 * tests/vectors. */
#include "cookie.h"

#include <sampan/err.h>

#include "crypto_sodium.h"

#include <criterion/criterion.h>

#include <string.h>

#define NOW 1700000000u

struct fixture {
    struct sp_cookie_keys keys;
    struct sp_addr peer;
    uint8_t nonce[24];
    uint8_t cookie[20];
};

static struct fixture made(void)
{
    struct fixture f = {.peer = {.ip = {192, 0, 2, 7}, .port = 40000, .family = 4}};
    memset(f.keys.now, 1, sizeof f.keys.now);
    memset(f.keys.before, 2, sizeof f.keys.before);
    memset(f.nonce, 3, sizeof f.nonce);
    sp_cookie_make(sp_crypto_sodium(), f.keys.now, &f.peer, f.nonce, NOW, f.cookie);
    return f;
}

static int check(const struct fixture *f, uint32_t now_s)
{
    return sp_cookie_check(sp_crypto_sodium(), &f->keys, &f->peer, f->nonce, now_s, f->cookie);
}

struct age_case {
    uint32_t now_s;
    int want;
};
static const struct age_case ages[] = {
    {NOW, 0},      {NOW + 1, 0},           {NOW + 10, 0}, {NOW + 11, SP_EAUTH},  {NOW - 1, SP_EAUTH},
    {0, SP_EAUTH}, {UINT32_MAX, SP_EAUTH}, {NOW + 9, 0},  {NOW + 120, SP_EAUTH},
};

Test(cookie, lives_ten_seconds)
{
    struct fixture f = made();
    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++)
        cr_assert_eq(check(&f, ages[i].now_s), ages[i].want, "at %u", ages[i].now_s);
}

Test(cookie, belongs_to_one_address_and_token)
{
    struct fixture f = made();
    f.peer.ip[3] = 8;
    cr_assert_eq(check(&f, NOW), SP_EAUTH);
    f = made();
    f.peer.port++;
    cr_assert_eq(check(&f, NOW), SP_EAUTH);
    f = made();
    f.peer.family = 6; /* the same bytes as an IPv6 address are another address */
    cr_assert_eq(check(&f, NOW), SP_EAUTH);
    f = made();
    f.nonce[23] ^= 1;
    cr_assert_eq(check(&f, NOW), SP_EAUTH);
    f = made();
    cr_assert_eq(check(&f, NOW), 0);
}

Test(cookie, all_of_an_ipv6_address_counts)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct fixture f = made();
    f.peer.family = 6;
    sp_cookie_make(c, f.keys.now, &f.peer, f.nonce, NOW, f.cookie);
    cr_assert_eq(check(&f, NOW), 0);
    for (size_t i = 0; i < 16; i++) {
        f.peer.ip[i] ^= 0x10;
        cr_assert_eq(check(&f, NOW), SP_EAUTH, "byte %zu", i);
        f.peer.ip[i] ^= 0x10;
    }
}

Test(cookie, two_secrets_live)
{
    struct fixture f = made();
    memcpy(f.keys.before, f.keys.now, sizeof f.keys.now); /* one rotation */
    memset(f.keys.now, 9, sizeof f.keys.now);
    cr_assert_eq(check(&f, NOW), 0);
    memcpy(f.keys.before, f.keys.now, sizeof f.keys.now); /* and another */
    memset(f.keys.now, 10, sizeof f.keys.now);
    cr_assert_eq(check(&f, NOW), SP_EAUTH);
}

Test(cookie, every_bit_counts)
{
    struct fixture f = made();
    for (size_t bit = 0; bit < sizeof f.cookie * 8; bit++) {
        f.cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(check(&f, NOW), SP_EAUTH, "bit %zu", bit);
        f.cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert_eq(check(&f, NOW), 0);
}

static struct sp_cid_keys cid_keys(uint8_t fill)
{
    struct sp_cid_keys k;
    memset(&k, fill, sizeof k);
    return k;
}

Test(cookie, connection_id_carries_worker_noise_and_check)
{
    static const uint8_t noise[5] = {10, 11, 12, 13, 14};
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_cid_keys ours = cid_keys(1);
    struct sp_cid_keys theirs = cid_keys(2);
    uint8_t cid[8];
    for (unsigned worker = 0; worker < 256; worker++) {
        sp_cookie_cid(c, &ours, (uint8_t)worker, noise, cid);
        cr_assert_eq(cid[0], worker);
        cr_assert_arr_eq(cid + 1, noise, 5);
        cr_assert(sp_cookie_cid_is_ours(c, &ours, cid));
    }
    cr_assert_not(sp_cookie_cid_is_ours(c, &theirs, cid));
}

Test(cookie, foreign_connection_ids_fail_the_check)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_cid_keys ours = cid_keys(1);
    uint8_t cid[8];
    sp_cookie_cid(c, &ours, 0, (const uint8_t *)"\1\2\3\4\5", cid);
    unsigned passed = 0;
    for (size_t bit = 0; bit < 64; bit++) {
        cid[bit / 8] ^= (uint8_t)(1u << bit % 8);
        passed += sp_cookie_cid_is_ours(c, &ours, cid) ? 1 : 0;
        cid[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert_eq(passed, 0); /* 16 bits of check: a fixed key, so this never changes */
}

Test(cookie, reset_token_belongs_to_cid_and_key)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_cid_keys ours = cid_keys(1);
    struct sp_cid_keys theirs = cid_keys(2);
    uint8_t cid[8] = {0};
    uint8_t a[16];
    uint8_t b[16];
    sp_cookie_reset(c, &ours, cid, a);
    sp_cookie_reset(c, &ours, cid, b);
    cr_assert_arr_eq(a, b, 16);
    sp_cookie_reset(c, &theirs, cid, b);
    cr_assert_neq(memcmp(a, b, 16), 0);
    for (size_t i = 0; i < 8; i++) {
        cid[i] = 1;
        sp_cookie_reset(c, &ours, cid, b);
        cr_assert_neq(memcmp(a, b, 16), 0, "byte %zu", i);
        cid[i] = 0;
    }
}
