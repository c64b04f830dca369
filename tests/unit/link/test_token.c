/* token.c: what a token must say to be taken, blobs, and their text.  Exact bytes are in tests/vectors. */
#include "token.h"

#include <sampan/err.h>

#include "crypto_sodium.h"
#include "hex.h"
#include "rng.h"

#include <stdio.h>

#define NOW 1700000000u

static const uint8_t nonce[24] = {3};
static const uint8_t gateway_pk[SP_KEY_LEN] = {4};

static struct sp_token_keys two_keys(void)
{
    struct sp_token_keys k = {.n = 2};
    k.of[0].kid = 7;
    k.of[1].kid = 8;
    memset(k.of[0].key, 0x70, SP_KEY_LEN);
    memset(k.of[1].key, 0x80, SP_KEY_LEN);
    return k;
}

static struct sp_token good(void)
{
    struct sp_token t = {.issued = NOW - 10,
                         .expires = NOW + 590,
                         .device = 0xdeadbeef,
                         .rights = 3,
                         .class = 2,
                         .uid_len = 5};
    memset(t.psk, 1, sizeof t.psk);
    memset(t.token_id, 2, sizeof t.token_id);
    memcpy(t.uid, "alice", 5);
    return t;
}

/* Seals with the key at place `at`. */
static void seal_at(const struct sp_token *t, size_t at, uint8_t out[SP_TOKEN_LEN])
{
    struct sp_token_keys k = two_keys();
    cr_assert_eq(sp_token_seal(sp_crypto_sodium(), t, k.of[at].kid, k.of[at].key, nonce, gateway_pk, out), 0);
}

static int open_at(const uint8_t *token, uint32_t now_s, uint32_t not_before_s, struct sp_token *out)
{
    struct sp_token_keys k = two_keys();
    return sp_token_open(sp_crypto_sodium(), &k, gateway_pk, token, now_s, not_before_s, out);
}

static void expect_wiped(const struct sp_token *t)
{
    const struct sp_token zero = {0};
    cr_assert_eq(memcmp(t, &zero, sizeof zero), 0, "*out is not wiped");
}

Test(token, opens_with_all_its_fields)
{
    for (size_t at = 0; at < 2; at++) {
        uint8_t token[SP_TOKEN_LEN];
        struct sp_token t = good();
        struct sp_token got;
        seal_at(&t, at, token);
        cr_assert_eq(token[0], 1);
        cr_assert_eq(token[1], 7 + at);
        cr_assert_arr_eq(token + 2, nonce, sizeof nonce);
        cr_assert_eq(open_at(token, NOW, 0, &got), 0);
        cr_assert_eq(memcmp(&got, &t, sizeof t), 0);
    }
}

struct time_case {
    const char *what;
    uint32_t issued, expires, now_s, not_before_s;
    int want;
};
static const struct time_case times[] = {
    {"fresh", NOW, NOW + 600, NOW, 0, 0},
    {"last second", NOW, NOW + 600, NOW + 599, 0, 0},
    {"expires now", NOW, NOW + 600, NOW + 600, 0, SP_EEXPIREDTOKEN},
    {"long expired", NOW, NOW + 600, NOW + 6000, 0, SP_EEXPIREDTOKEN},
    {"issued a minute ahead", NOW + 60, NOW + 600, NOW, 0, 0},
    {"issued 61 s ahead", NOW + 61, NOW + 600, NOW, 0, SP_EEXPIREDTOKEN},
    {"issued at not_before", NOW, NOW + 600, NOW, NOW, 0},
    {"issued before not_before", NOW, NOW + 600, NOW, NOW + 1, SP_EEXPIREDTOKEN},
    {"clock at its end", UINT32_MAX, UINT32_MAX, UINT32_MAX - 1, 0, 0},
    {"clock at its end, ahead", UINT32_MAX, UINT32_MAX, UINT32_MAX - 61, 0, SP_EEXPIREDTOKEN},
};

Test(token, lives_from_issued_to_expires)
{
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint8_t token[SP_TOKEN_LEN];
        struct sp_token t = good();
        struct sp_token got;
        t.issued = times[i].issued;
        t.expires = times[i].expires;
        seal_at(&t, 0, token);
        int rc = open_at(token, times[i].now_s, times[i].not_before_s, &got);
        cr_assert_eq(rc, times[i].want, "%s: %s", times[i].what, sp_err_name(rc));
        if (rc != 0)
            expect_wiped(&got);
    }
}

struct rights_case {
    uint16_t rights;
    int want;
};
static const struct rights_case rights[] = {
    {0, SP_EMALFORMED},      {1, 0},     {2, 0}, {3, 0}, {4, SP_EMALFORMED}, {8, SP_EMALFORMED},
    {0xfffc, SP_EMALFORMED}, {0xffff, 0}};

Test(token, needs_a_right_to_send_or_receive)
{
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        uint8_t token[SP_TOKEN_LEN];
        struct sp_token t = good();
        struct sp_token got;
        t.rights = rights[i].rights;
        seal_at(&t, 0, token);
        cr_assert_eq(open_at(token, NOW, 0, &got), rights[i].want, "rights 0x%x", rights[i].rights);
        if (rights[i].want != 0)
            expect_wiped(&got);
    }
}

Test(token, seal_refuses_user_ids_out_of_range)
{
    static const uint8_t bad[] = {0, 65, 255};
    struct sp_token_keys k = two_keys();
    for (size_t i = 0; i < sizeof bad; i++) {
        uint8_t token[SP_TOKEN_LEN];
        struct sp_token t = good();
        t.uid_len = bad[i];
        cr_assert_eq(sp_token_seal(sp_crypto_sodium(), &t, 7, k.of[0].key, nonce, gateway_pk, token),
                     SP_EINVAL);
    }
    uint8_t token[SP_TOKEN_LEN];
    struct sp_token got;
    struct sp_token t = good();
    t.uid_len = SP_USER_MAX;
    memset(t.uid, 'u', sizeof t.uid);
    seal_at(&t, 0, token);
    cr_assert_eq(open_at(token, NOW, 0, &got), 0);
    cr_assert_eq(got.uid_len, SP_USER_MAX);
}

/* What sp_token_seal never makes, sealed by hand: `plain` under key 7. */
static void seal_plain(const uint8_t plain[SP_TOKEN_PLAIN_LEN], uint8_t out[SP_TOKEN_LEN])
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_token_keys k = two_keys();
    uint8_t ad[14 + 2 + SP_KEY_LEN] = "sampan-token-1";
    ad[14] = 1;
    ad[15] = 7;
    memcpy(ad + 16, gateway_pk, SP_KEY_LEN);
    out[0] = 1;
    out[1] = 7;
    memcpy(out + 2, nonce, sizeof nonce);
    c->xseal(c->self, out + 26, k.of[0].key, nonce, (struct sp_view){.p = ad, .n = sizeof ad},
             (struct sp_view){.p = plain, .n = SP_TOKEN_PLAIN_LEN});
}

Test(token, refuses_authentic_nonsense)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_token_keys k = two_keys();
    uint8_t token[SP_TOKEN_LEN];
    uint8_t plain[SP_TOKEN_PLAIN_LEN];
    uint8_t ad[48] = "sampan-token-1\1\7";
    struct sp_token got;
    struct sp_token t = good();
    memcpy(ad + 16, gateway_pk, SP_KEY_LEN);
    seal_at(&t, 0, token);
    cr_assert_eq(c->xopen(c->self, plain, k.of[0].key, nonce, (struct sp_view){.p = ad, .n = sizeof ad},
                          (struct sp_view){.p = token + 26, .n = SP_TOKEN_LEN - 26}),
                 0);
    seal_plain(plain, token);
    cr_assert_eq(open_at(token, NOW, 0, &got), 0);

    static const uint8_t lengths[] = {0, 65, 255};
    for (size_t i = 0; i < sizeof lengths; i++) {
        plain[55] = lengths[i];
        seal_plain(plain, token);
        cr_assert_eq(open_at(token, NOW, 0, &got), SP_EMALFORMED, "uid_len %u", lengths[i]);
        expect_wiped(&got);
    }
    plain[55] = 5;
    for (size_t at = 56 + 5; at < SP_TOKEN_PLAIN_LEN; at++) {
        plain[at] = 1;
        seal_plain(plain, token);
        cr_assert_eq(open_at(token, NOW, 0, &got), SP_EMALFORMED, "padding at %zu", at);
        expect_wiped(&got);
        plain[at] = 0;
    }
}

Test(token, every_bit_counts)
{
    uint8_t token[SP_TOKEN_LEN];
    struct sp_token t = good();
    seal_at(&t, 0, token);
    for (size_t bit = 0; bit < 8 * sizeof token; bit++) {
        struct sp_token got;
        uint8_t *exact = sp_hex_exact(token, sizeof token);
        exact[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(open_at(exact, NOW, 0, &got), bit < 8 ? SP_EVERSION : SP_EAUTH, "bit %zu", bit);
        expect_wiped(&got);
        free(exact);
    }
}

Test(token, belongs_to_one_key_and_one_gateway)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_token_keys k = two_keys();
    uint8_t token[SP_TOKEN_LEN];
    uint8_t other_pk[SP_KEY_LEN] = {5};
    struct sp_token got;
    struct sp_token t = good();
    seal_at(&t, 0, token);
    cr_assert_eq(sp_token_open(c, &k, other_pk, token, NOW, 0, &got), SP_EAUTH);
    k.of[0].kid = 9;
    cr_assert_eq(sp_token_open(c, &k, gateway_pk, token, NOW, 0, &got), SP_EAUTH);
    k = two_keys();
    k.n = 0;
    cr_assert_eq(sp_token_open(c, &k, gateway_pk, token, NOW, 0, &got), SP_EAUTH);
    k.n = 1;
    cr_assert_eq(sp_token_open(c, &k, gateway_pk, token, NOW, 0, &got), 0);
}

/* ---- blob ---- */

static struct sp_blob blob_with(size_t addrs_n)
{
    struct sp_blob b = {.issued = NOW, .expires = NOW + 600, .addrs_n = addrs_n};
    memset(b.token, 1, sizeof b.token);
    memset(b.psk, 2, sizeof b.psk);
    memset(b.gateway_pk, 3, sizeof b.gateway_pk);
    for (size_t i = 0; i < addrs_n && i < SP_BLOB_ADDRS_MAX; i++) {
        b.addrs[i] = (struct sp_addr){.port = (uint16_t)(4433 + i), .family = i % 2 == 0 ? 4 : 6};
        memset(b.addrs[i].ip, (int)i + 1, i % 2 == 0 ? 4 : 16);
    }
    return b;
}

static int decode_exact(const uint8_t *p, size_t n, struct sp_blob *out)
{
    uint8_t *exact = sp_hex_exact(p, n);
    int rc = sp_token_blob_decode((struct sp_view){.p = exact, .n = n}, out);
    free(exact);
    return rc;
}

static void expect_same_blob(const struct sp_blob *a, const struct sp_blob *b)
{
    cr_assert_arr_eq(a->token, b->token, sizeof b->token);
    cr_assert_arr_eq(a->psk, b->psk, sizeof b->psk);
    cr_assert_arr_eq(a->gateway_pk, b->gateway_pk, sizeof b->gateway_pk);
    cr_assert(a->issued == b->issued && a->expires == b->expires && a->addrs_n == b->addrs_n);
    for (size_t i = 0; i < b->addrs_n; i++) {
        cr_assert_arr_eq(a->addrs[i].ip, b->addrs[i].ip, sizeof b->addrs[i].ip);
        cr_assert(a->addrs[i].port == b->addrs[i].port && a->addrs[i].family == b->addrs[i].family);
    }
}

#define BLOB_HEAD 236 /* bytes before the addresses */

Test(token, blob_comes_back)
{
    for (size_t n = 1; n <= SP_BLOB_ADDRS_MAX; n++) {
        struct sp_blob b = blob_with(n);
        struct sp_blob got;
        uint8_t raw[512];
        size_t len = 0;
        cr_assert_eq(sp_token_blob_encode(&b, raw, sizeof raw, &len), 0);
        cr_assert_eq(len, BLOB_HEAD + (n + 1) / 2 * 7 + n / 2 * 19);
        cr_assert_eq(decode_exact(raw, len, &got), 0);
        expect_same_blob(&got, &b);
        for (size_t cut = 0; cut < len; cut++)
            cr_assert_eq(decode_exact(raw, cut, &got), SP_EMALFORMED, "cut at %zu", cut);
        raw[len] = 0;
        cr_assert_eq(decode_exact(raw, len + 1, &got), SP_EMALFORMED, "a byte left over");
        cr_assert_eq(sp_token_blob_encode(&b, raw, len - 1, &len), SP_EFULL);
    }
}

Test(token, blob_of_the_largest_size_is_read)
{
    uint8_t raw[SP_BLOB_MAX + 1] = {1};
    struct sp_blob got;
    raw[BLOB_HEAD - 1] = 255;
    for (size_t i = 0; i < 255; i++) {
        uint8_t *at = raw + BLOB_HEAD + i * 19;
        at[0] = 6;
        at[1] = (uint8_t)i;
        at[18] = 1;
    }
    cr_assert_eq(BLOB_HEAD + 255 * 19, SP_BLOB_MAX);
    cr_assert_eq(decode_exact(raw, SP_BLOB_MAX, &got), 0);
    cr_assert_eq(got.addrs_n, SP_BLOB_ADDRS_MAX);
    for (size_t i = 0; i < SP_BLOB_ADDRS_MAX; i++)
        cr_assert_eq(got.addrs[i].ip[0], i, "the first ones are kept");
    raw[SP_BLOB_MAX - 19] = 5; /* one that is not kept is judged all the same */
    cr_assert_eq(decode_exact(raw, SP_BLOB_MAX, &got), SP_EMALFORMED);
}

Test(token, blob_refuses)
{
    struct sp_blob b = blob_with(1);
    struct sp_blob got;
    uint8_t raw[512];
    size_t len = 0;
    cr_assert_eq(sp_token_blob_encode(&b, raw, sizeof raw, &len), 0);
    raw[0] = 2;
    cr_assert_eq(decode_exact(raw, len, &got), SP_EVERSION);
    raw[0] = 1;
    for (unsigned family = 0; family < 256; family++) {
        raw[BLOB_HEAD] = (uint8_t)family;
        cr_assert_eq(decode_exact(raw, len, &got), family == 4 ? 0 : SP_EMALFORMED, "family %u", family);
    }
    raw[BLOB_HEAD] = 4;
    raw[len - 1] = raw[len - 2] = 0;
    cr_assert_eq(decode_exact(raw, len, &got), SP_EMALFORMED, "port 0");
    raw[BLOB_HEAD - 1] = 0;
    cr_assert_eq(decode_exact(raw, BLOB_HEAD, &got), SP_EMALFORMED, "no address");

    size_t counts[] = {0, SP_BLOB_ADDRS_MAX + 1};
    for (size_t i = 0; i < 2; i++) {
        b = blob_with(counts[i]);
        cr_assert_eq(sp_token_blob_encode(&b, raw, sizeof raw, &len), SP_EINVAL, "%zu addresses", counts[i]);
    }
    b = blob_with(2);
    b.addrs[1].family = 0;
    cr_assert_eq(sp_token_blob_encode(&b, raw, sizeof raw, &len), SP_EINVAL);
    b = blob_with(2);
    b.addrs[0].port = 0;
    cr_assert_eq(sp_token_blob_encode(&b, raw, sizeof raw, &len), SP_EINVAL);
}

/* ---- text ---- */

struct text_case {
    const char *hex, *text;
};
/* RFC 4648, section 10, and the two characters that differ from plain base64. */
static const struct text_case texts[] = {
    {"-", ""},
    {"66", "Zg=="},
    {"666f", "Zm8="},
    {"666f6f", "Zm9v"},
    {"666f6f62", "Zm9vYg=="},
    {"666f6f6261", "Zm9vYmE="},
    {"666f6f626172", "Zm9vYmFy"},
    {"fbff", "-_8="},
    {"ffffff", "____"},
};

static int text_decode(const char *text, uint8_t *dst, size_t cap, size_t *len)
{
    uint8_t *exact = sp_hex_exact((const uint8_t *)text, strlen(text));
    int rc = sp_token_text_decode((struct sp_view){.p = exact, .n = strlen(text)}, dst, cap, len);
    free(exact);
    return rc;
}

static void expect_decodes(const char *text, const uint8_t *want, size_t n)
{
    uint8_t got[16];
    size_t len = 99;
    cr_assert_eq(text_decode(text, got, n, &len), 0, "%s", text);
    cr_assert_eq(len, n, "%s", text);
    if (n > 0) {
        cr_assert_arr_eq(got, want, n, "%s", text);
        cr_assert_eq(text_decode(text, got, n - 1, &len), SP_EFULL, "%s", text);
    }
}

Test(token, text_of_rfc_4648)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint8_t raw[16];
        char text[16];
        char other[24];
        size_t n = sp_hex_read(texts[i].hex, raw, sizeof raw);
        struct sp_view in = {.p = raw, .n = n};
        size_t len = strlen(texts[i].text);
        cr_assert_eq(sp_token_text_encode(in, text, len + 1), 0);
        cr_assert_str_eq(text, texts[i].text);
        cr_assert_eq(sp_token_text_encode(in, text, len), SP_EFULL);
        expect_decodes(texts[i].text, raw, n);
        (void)snprintf(other, sizeof other, "%s\n", texts[i].text);
        expect_decodes(other, raw, n);
        (void)snprintf(other, sizeof other, "%.*s", (int)strcspn(texts[i].text, "="), texts[i].text);
        expect_decodes(other, raw, n);
    }
}

static const char *const bad_texts[] = {
    "Z",    "Zg=",   "Zg===",  "Zm8==",    "Zm9v=",    "Zm9v==", "Zm9vY",    "Zm+v",
    "Zm/v", "Zm 9v", "Zm\n9v", "Zm9v\n\n", "Zm9v\r\n", "Zm9v\t", " Zm9v",    "Z===",
    "====", "=",     "Zh==",   "Zm9=",     "Zh",       "Zm9",    "Zm9v\x80",
};

Test(token, text_refuses)
{
    for (size_t i = 0; i < sizeof bad_texts / sizeof bad_texts[0]; i++) {
        uint8_t raw[16];
        size_t len = 77;
        cr_assert_eq(text_decode(bad_texts[i], raw, sizeof raw, &len), SP_EMALFORMED, "\"%s\"", bad_texts[i]);
        cr_assert_eq(len, 77);
    }
}

Test(token, random_text_comes_back)
{
    struct sp_rng r;
    uint8_t seed[32] = {1};
    sp_rng_init(&r, sp_crypto_sodium(), seed);
    for (size_t n = 0; n < 600; n++) {
        uint8_t raw[600];
        uint8_t back[600];
        char text[804];
        size_t len = 0;
        sp_rng_bytes(&r, raw, n);
        cr_assert_eq(sp_token_text_encode((struct sp_view){.p = raw, .n = n}, text, sizeof text), 0);
        cr_assert_eq(text_decode(text, back, sizeof back, &len), 0);
        cr_assert_eq(len, n);
        if (n > 0)
            cr_assert_arr_eq(back, raw, n);
    }
}
