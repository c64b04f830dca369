/* Connect tokens, blobs, their text form, cookies, connection ids.  First byte: which.
 *
 * Promises: nothing is read beyond its end; a token opens exactly when docs/protocol.md, step 5 of
 * section 2.3, says so, and a changed one never; what was decoded is encoded to the same bytes; a cookie
 * holds for its address, token and ten seconds only. */
#include "cookie.h"
#include "crypto_sodium.h"
#include "fuzz.h"
#include "script.h"
#include "token.h"

#include <sampan/err.h>

#define NOW_S    1700000000U
#define HEAD_LEN 26 /* version, kid, nonce */

static const uint8_t public_key[SP_KEY_LEN] = {7};
static const uint8_t token_key[SP_KEY_LEN] = {9};

static int open_token(const uint8_t token[SP_TOKEN_LEN], uint32_t now_s, uint32_t not_before_s,
                      struct sp_token *out)
{
    struct sp_token_keys keys = {.n = 1, .of = {{.kid = 3}}};
    memcpy(keys.of[0].key, token_key, sizeof token_key);
    return sp_token_open(sp_crypto_sodium(), &keys, public_key, token, now_s, not_before_s, out);
}

/* Seals 120 bytes of any content as a token of ours, as a back end in error could. */
static void seal_plain(const uint8_t plain[SP_TOKEN_PLAIN_LEN], uint8_t token[SP_TOKEN_LEN])
{
    const struct sp_crypto *c = sp_crypto_sodium();
    uint8_t ad[14 + 2 + SP_KEY_LEN] = "sampan-token-1";
    token[0] = ad[14] = 1;
    token[1] = ad[15] = 3;
    memcpy(ad + 16, public_key, sizeof public_key);
    memset(token + 2, 0x55, 24);
    c->xseal(c->self, token + HEAD_LEN, token_key, token + 2, (struct sp_view){ad, sizeof ad},
             (struct sp_view){plain, SP_TOKEN_PLAIN_LEN});
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Step 5, written once more from the text. */
static int judge(const uint8_t plain[SP_TOKEN_PLAIN_LEN], uint32_t now_s, uint32_t not_before_s)
{
    uint32_t issued = be32(plain + 40), expires = be32(plain + 44);
    uint8_t uid_len = plain[55];
    if (uid_len == 0 || uid_len > SP_USER_MAX || (plain[53] & 3) == 0)
        return SP_EMALFORMED;
    for (size_t i = uid_len; i < SP_USER_MAX; i++) {
        if (plain[56 + i] != 0)
            return SP_EMALFORMED;
    }
    bool is_early = issued > (uint64_t)now_s + 60;
    return expires <= now_s || is_early || issued < not_before_s ? SP_EEXPIREDTOKEN : 0;
}

static void try_token(struct script *s)
{
    uint8_t plain[SP_TOKEN_PLAIN_LEN] = {0}, token[SP_TOKEN_LEN];
    uint32_t now_s = NOW_S + script_u8(s), not_before_s = NOW_S - script_u8(s);
    uint8_t at = script_u8(s), flip = script_u8(s);
    struct sp_view content = script_view(s, sizeof plain);
    struct sp_token t;
    if (content.n > 0)
        memcpy(plain, content.p, content.n);
    seal_plain(plain, token);
    uint8_t *exact = fuzz_copy(token, sizeof token);
    int err = open_token(exact, now_s, not_before_s, &t);
    FUZZ_CHECK(err == judge(plain, now_s, not_before_s));
    if (err == 0) {
        uint8_t again[SP_TOKEN_LEN];
        FUZZ_CHECK(sp_token_seal(sp_crypto_sodium(), &t, 3, token_key, token + 2, public_key, again) == 0);
        FUZZ_CHECK(memcmp(again, token, sizeof token) == 0);
    }
    exact[at % SP_TOKEN_LEN] ^= flip;
    if (flip != 0)
        FUZZ_CHECK(open_token(exact, now_s, not_before_s, &t) != 0);
    free(exact);
}

static void try_raw_token(struct script *s)
{
    struct sp_view raw = script_view(s, SP_TOKEN_LEN);
    struct sp_token t;
    uint8_t *exact = fuzz_block(SP_TOKEN_LEN);
    memset(exact, 0, SP_TOKEN_LEN);
    if (raw.n > 0)
        memcpy(exact, raw.p, raw.n);
    FUZZ_CHECK(open_token(exact, NOW_S, 0, &t) != 0);
    free(exact);
}

static void try_blob(struct script *s)
{
    struct sp_view raw = script_view(s, s->n);
    struct sp_blob b, again_b;
    uint8_t again[SP_BLOB_MAX];
    size_t len = 0;
    uint8_t *exact = fuzz_copy(raw.p, raw.n);
    if (sp_token_blob_decode((struct sp_view){exact, raw.n}, &b) == 0) {
        FUZZ_CHECK(b.addrs_n >= 1);
        FUZZ_CHECK(b.addrs_n <= SP_BLOB_ADDRS_MAX);
        FUZZ_CHECK(sp_token_blob_encode(&b, again, sizeof again, &len) == 0);
        FUZZ_CHECK(b.addrs_n == SP_BLOB_ADDRS_MAX || len == raw.n);
        FUZZ_CHECK(len != raw.n || memcmp(again, exact, len) == 0);
        FUZZ_CHECK(sp_token_blob_decode((struct sp_view){again, len}, &again_b) == 0);
        FUZZ_CHECK(again_b.addrs_n == b.addrs_n);
        FUZZ_CHECK(raw.n == 0 || sp_token_blob_decode((struct sp_view){exact, raw.n - 1}, &b) != 0);
    }
    free(exact);
}

/* Length of a text without its final newline and padding. */
static size_t significant(const uint8_t *p, size_t n)
{
    while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '='))
        n--;
    return n;
}

static void try_text(struct script *s)
{
    struct sp_view raw = script_view(s, s->n);
    uint8_t *exact = fuzz_copy(raw.p, raw.n);
    size_t cap = raw.n / 4 * 3 + 3, len = 0;
    uint8_t *bytes = fuzz_block(cap);
    if (sp_token_text_decode((struct sp_view){exact, raw.n}, bytes, cap, &len) == 0) {
        size_t text_cap = (len + 2) / 3 * 4 + 1;
        char *text = (char *)fuzz_block(text_cap);
        uint8_t *tight = fuzz_block(len);
        size_t len2 = 0;
        FUZZ_CHECK(len <= cap);
        FUZZ_CHECK(sp_token_text_encode((struct sp_view){bytes, len}, text, text_cap) == 0);
        size_t a = significant(exact, raw.n), b = significant((const uint8_t *)text, strlen(text));
        FUZZ_CHECK(a == b);
        FUZZ_CHECK(memcmp(exact, text, a) == 0);
        FUZZ_CHECK(sp_token_text_decode((struct sp_view){exact, raw.n}, tight, len, &len2) == 0);
        FUZZ_CHECK(len2 == len);
        FUZZ_CHECK(sp_token_text_encode((struct sp_view){bytes, len}, text, text_cap - 1) == SP_EFULL);
        free(text);
        free(tight);
    }
    free(bytes);
    free(exact);
}

static void try_cookie(struct script *s)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_cookie_keys keys = {.now = {1}, .before = {2}};
    struct sp_addr peer = {.family = (script_u8(s) & 1) != 0 ? 6 : 4, .port = script_u16(s)};
    struct sp_view ip = script_view(s, peer.family == 6 ? 16 : 4);
    uint8_t nonce[24], cookie[20];
    uint32_t age = script_u8(s);
    uint8_t which = script_u8(s), at = script_u8(s), flip = script_u8(s);
    if (ip.n > 0)
        memcpy(peer.ip, ip.p, ip.n);
    memset(nonce, which, sizeof nonce);
    sp_cookie_make(c, (which & 1) != 0 ? keys.now : keys.before, &peer, nonce, NOW_S, cookie);
    int err = sp_cookie_check(c, &keys, &peer, nonce, NOW_S + age, cookie);
    FUZZ_CHECK(err == (age <= 10 ? 0 : SP_EAUTH));
    FUZZ_CHECK(sp_cookie_check(c, &keys, &peer, nonce, NOW_S - 1 - age, cookie) == SP_EAUTH);
    if (flip == 0)
        return;
    cookie[at % sizeof cookie] ^= flip;
    FUZZ_CHECK(sp_cookie_check(c, &keys, &peer, nonce, NOW_S, cookie) == SP_EAUTH);
    cookie[at % sizeof cookie] ^= flip;
    peer.port ^= flip;
    FUZZ_CHECK(sp_cookie_check(c, &keys, &peer, nonce, NOW_S, cookie) == SP_EAUTH);
    peer.port ^= flip;
    nonce[at % sizeof nonce] ^= flip;
    FUZZ_CHECK(sp_cookie_check(c, &keys, &peer, nonce, NOW_S, cookie) == SP_EAUTH);
}

static void try_cid(struct script *s)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_cid_keys keys = {.check = {4}, .reset = {5}};
    uint8_t worker = script_u8(s), noise[5] = {0}, cid[8], reset[16];
    struct sp_view raw = script_view(s, sizeof noise);
    if (raw.n > 0)
        memcpy(noise, raw.p, raw.n);
    sp_cookie_cid(c, &keys, worker, noise, cid);
    FUZZ_CHECK(cid[0] == worker);
    FUZZ_CHECK(sp_cookie_cid_is_ours(c, &keys, cid));
    sp_cookie_reset(c, &keys, cid, reset);
    cid[6 + (worker & 1)] ^= (uint8_t)(1 + (script_u8(s) & 127));
    FUZZ_CHECK(!sp_cookie_cid_is_ours(c, &keys, cid));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct script *) = {try_token, try_raw_token, try_blob,
                                                     try_text,  try_cookie,    try_cid};
    struct script s = {data, size};
    tries[script_pick(&s, sizeof tries / sizeof tries[0])](&s);
    return 0;
}
