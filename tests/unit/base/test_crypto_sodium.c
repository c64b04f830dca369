/* crypto_sodium.c: the table against published test vectors, and the promises of crypto.h. */
#include "crypto_sodium.h"

#include <sampan/err.h>

#include "hex.h"

#include <pthread.h>

static const char sunscreen[] =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
    "future, sunscreen would be it.";
#define SUNSCREEN_LEN (sizeof sunscreen - 1)

static struct sp_view view(const uint8_t *p, size_t n)
{
    return (struct sp_view){.p = p, .n = n};
}

static struct sp_view text(const char *s)
{
    return view((const uint8_t *)s, strlen(s));
}

/* Whether the n bytes at p are those of the hexadecimal text. */
static void expect(const uint8_t *p, const char *hex)
{
    uint8_t want[256];
    size_t n = sp_hex_read(hex, want, sizeof want);
    cr_assert_arr_eq(p, want, n, "differs from %s", hex);
}

Test(crypto_sodium, x25519_of_rfc_7748)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    uint8_t secret[32];
    uint8_t point[32];
    uint8_t out[32];
    sp_hex_read("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", secret, 32);
    sp_hex_read("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", point, 32);
    cr_assert_eq(c->x25519(c->self, out, secret, point), 0);
    expect(out, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");

    /* The base point is 9. */
    uint8_t base[32] = {9};
    uint8_t twice[32];
    c->x25519_base(c->self, out, secret);
    cr_assert_eq(c->x25519(c->self, twice, secret, base), 0);
    cr_assert_arr_eq(out, twice, 32);
}

Test(crypto_sodium, x25519_refuses_points_of_low_order)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    const struct sp_crypto *c = sp_crypto_sodium();
    uint8_t secret[32] = {1, 2, 3};
    uint8_t point[32];
    uint8_t out[32];
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        sp_hex_read(points[i], point, 32);
        cr_assert_eq(c->x25519(c->self, out, secret, point), SP_EAUTH, "%s", points[i]);
    }
}

struct aead_case {
    const char *nonce, *head, *tag;
    bool is_x;
};
static const struct aead_case aeads[] = {
    /* RFC 8439, section 2.8.2 */
    {"070000004041424344454647", "d31a8d34648e60db7b86afbc53ef7ec2", "1ae10b594f09e26a7e902ecbd0600691",
     false},
    /* draft-irtf-cfrg-xchacha-03, appendix A.3.1 */
    {"404142434445464748494a4b4c4d4e4f5051525354555657", "bd6d179d3e83d43b9576579493c0e939",
     "c0875924c1c7987947deafd8780acf49", true},
};

static void seal_any(bool is_x, uint8_t *dst, const uint8_t key[32], const uint8_t *nonce, struct sp_view ad,
                     struct sp_view in)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    if (is_x)
        c->xseal(c->self, dst, key, nonce, ad, in);
    else
        c->seal(c->self, dst, key, nonce, ad, in);
}

static int open_any(bool is_x, uint8_t *dst, const uint8_t key[32], const uint8_t *nonce, struct sp_view ad,
                    struct sp_view in)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    return is_x ? c->xopen(c->self, dst, key, nonce, ad, in) : c->open(c->self, dst, key, nonce, ad, in);
}

static void check_aead(const struct aead_case *a)
{
    uint8_t key[32];
    uint8_t nonce[24];
    uint8_t ad[12];
    uint8_t buf[SUNSCREEN_LEN + SP_TAG_LEN];
    for (size_t i = 0; i < 32; i++)
        key[i] = (uint8_t)(0x80 + i);
    sp_hex_read(a->nonce, nonce, sizeof nonce);
    sp_hex_read("50515253c0c1c2c3c4c5c6c7", ad, sizeof ad);

    memcpy(buf, sunscreen, SUNSCREEN_LEN);
    seal_any(a->is_x, buf, key, nonce, view(ad, sizeof ad), view(buf, SUNSCREEN_LEN)); /* in place */
    expect(buf, a->head);
    expect(buf + SUNSCREEN_LEN, a->tag);

    uint8_t out[SUNSCREEN_LEN];
    for (size_t bit = 0; bit < sizeof buf * 8; bit += 7) {
        buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(open_any(a->is_x, out, key, nonce, view(ad, sizeof ad), view(buf, sizeof buf)),
                     SP_EAUTH);
        buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert_eq(open_any(a->is_x, out, key, nonce, view(ad, 11), view(buf, sizeof buf)), SP_EAUTH);
    cr_assert_eq(open_any(a->is_x, out, key, nonce, view(ad, sizeof ad), view(buf, SP_TAG_LEN - 1)),
                 SP_EAUTH);
    cr_assert_eq(open_any(a->is_x, buf, key, nonce, view(ad, sizeof ad), view(buf, sizeof buf)), 0);
    cr_assert_arr_eq(buf, sunscreen, SUNSCREEN_LEN);
}

Test(crypto_sodium, aead_of_rfc_8439_and_its_long_nonce)
{
    for (size_t i = 0; i < sizeof aeads / sizeof aeads[0]; i++)
        check_aead(&aeads[i]);
}

Test(crypto_sodium, sha256_and_hmac)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    uint8_t out[32];
    struct sp_view abc[] = {text("a"), text(""), text("bc")};
    c->sha256(c->self, out, abc, 3);
    expect(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    c->sha256(c->self, out, NULL, 0);
    expect(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    struct sp_view parts[] = {text("what do ya want "), text("for nothing?")}; /* RFC 4231, case 2 */
    c->hmac_sha256(c->self, out, text("Jefe"), parts, 2);
    expect(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

Test(crypto_sodium, blake2b)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    uint8_t out[64];
    struct sp_view abc[] = {text("ab"), text("c")};
    c->blake2b(c->self, out, 64, (struct sp_view){0}, abc, 2); /* RFC 7693, appendix A */
    expect(out, "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
    c->blake2b(c->self, out, 16, text("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"), abc, 2);
    expect(out, "c741392fb3956d217ba181c601bfd493");
}

Test(crypto_sodium, siphash_of_its_reference)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    uint8_t key[16];
    uint8_t in[15];
    uint8_t out[8];
    for (size_t i = 0; i < 16; i++)
        key[i] = (uint8_t)i;
    memcpy(in, key, 15);
    c->siphash(c->self, out, key, view(in, 15)); /* appendix A of the SipHash paper: a129ca6149be45e5 */
    expect(out, "e545be4961ca29a1");
}

Test(crypto_sodium, compare_and_wipe)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    uint8_t a[40] = {1};
    uint8_t b[40] = {1};
    cr_assert_eq(c->compare(c->self, a, b, 40), 0);
    for (size_t i = 0; i < 40; i++) {
        b[i] ^= 0x80;
        cr_assert_neq(c->compare(c->self, a, b, 40), 0);
        b[i] ^= 0x80;
    }
    c->wipe(c->self, a, 40);
    for (size_t i = 0; i < 40; i++)
        cr_assert_eq(a[i], 0);
}

static void *fetch(void *out)
{
    *(const struct sp_crypto **)out = sp_crypto_sodium();
    return NULL;
}

Test(crypto_sodium, one_table_from_every_thread)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    const struct sp_crypto *got[THREADS] = {0};
    for (size_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, fetch, (void *)&got[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        cr_assert(got[i] != NULL && got[i] == got[0]);
}
