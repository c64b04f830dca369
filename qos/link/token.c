/* Connect tokens and blobs: docs/protocol.md, section 2.1, and step 5 of section 2.3. */
#include "token.h"

#include <sampan/err.h>

#include "bytes.h"

#include <string.h>

#define TOKEN_VERSION 1
#define BLOB_VERSION  1
#define NONCE_LEN     24
#define HEAD_LEN      (2 + NONCE_LEN) /* version, kid, nonce */
#define SKEW_S        60              /* how far ahead of ours the back end's clock may run */
#define IP4_LEN       4
#define IP6_LEN       16

/* ---- token ---- */

static struct sp_view token_ad(uint8_t dst[48], uint8_t version, uint8_t kid,
                               const uint8_t gateway_pk[SP_KEY_LEN])
{
    static const uint8_t label[] = {'s', 'a', 'm', 'p', 'a', 'n', '-', 't', 'o', 'k', 'e', 'n', '-', '1'};
    struct sp_writer w = sp_bytes_writer(dst, 48);
    sp_bytes_put(&w, sp_bytes_view(label, sizeof label));
    sp_bytes_put8(&w, version);
    sp_bytes_put8(&w, kid);
    sp_bytes_put(&w, sp_bytes_view(gateway_pk, SP_KEY_LEN));
    return sp_bytes_view(dst, w.len);
}

static void write_plain(const struct sp_token *t, uint8_t dst[SP_TOKEN_PLAIN_LEN])
{
    static const uint8_t zeros[SP_USER_MAX];
    struct sp_writer w = sp_bytes_writer(dst, SP_TOKEN_PLAIN_LEN);
    sp_bytes_put(&w, sp_bytes_view(t->psk, sizeof t->psk));
    sp_bytes_put(&w, sp_bytes_view(t->token_id, sizeof t->token_id));
    sp_bytes_put32(&w, t->issued);
    sp_bytes_put32(&w, t->expires);
    sp_bytes_put32(&w, t->device);
    sp_bytes_put16(&w, t->rights);
    sp_bytes_put8(&w, t->class);
    sp_bytes_put8(&w, t->uid_len);
    sp_bytes_put(&w, sp_bytes_view(t->uid, t->uid_len));
    sp_bytes_put(&w, sp_bytes_view(zeros, SP_USER_MAX - (size_t)t->uid_len));
}

static void read_plain(const uint8_t plain[SP_TOKEN_PLAIN_LEN], struct sp_token *t)
{
    struct sp_reader r = sp_bytes_reader(sp_bytes_view(plain, SP_TOKEN_PLAIN_LEN));
    sp_bytes_copy(&r, t->psk, sizeof t->psk);
    sp_bytes_copy(&r, t->token_id, sizeof t->token_id);
    t->issued = sp_bytes_u32(&r);
    t->expires = sp_bytes_u32(&r);
    t->device = sp_bytes_u32(&r);
    t->rights = sp_bytes_u16(&r);
    t->class = sp_bytes_u8(&r);
    t->uid_len = sp_bytes_u8(&r);
    sp_bytes_copy(&r, t->uid, sizeof t->uid);
}

/* Seven parameters, each a separate input of the format.  NOLINTNEXTLINE(readability-function-size) */
int sp_token_seal(const struct sp_crypto *c, const struct sp_token *t, uint8_t kid,
                  const uint8_t key[SP_KEY_LEN], const uint8_t nonce[24],
                  const uint8_t gateway_pk[SP_KEY_LEN], uint8_t out[SP_TOKEN_LEN])
{
    if (t->uid_len < 1 || t->uid_len > SP_USER_MAX)
        return SP_EINVAL;
    uint8_t ad[48];
    uint8_t plain[SP_TOKEN_PLAIN_LEN];
    write_plain(t, plain);
    out[0] = TOKEN_VERSION;
    out[1] = kid;
    memcpy(out + 2, nonce, NONCE_LEN);
    c->xseal(c->self, out + HEAD_LEN, key, nonce, token_ad(ad, TOKEN_VERSION, kid, gateway_pk),
             sp_bytes_view(plain, sizeof plain));
    c->wipe(c->self, plain, sizeof plain);
    return 0;
}

static const uint8_t *find_key(const struct sp_token_keys *keys, uint8_t kid)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (keys->of[i].kid == kid)
            return keys->of[i].key;
    }
    return NULL;
}

/* Step 5 of the gateway's work order, behind the opening. */
static int judge(const struct sp_token *t, uint32_t now_s, uint32_t not_before_s)
{
    if (t->uid_len < 1 || t->uid_len > SP_USER_MAX)
        return SP_EMALFORMED;
    for (size_t i = t->uid_len; i < SP_USER_MAX; i++) {
        if (t->uid[i] != 0)
            return SP_EMALFORMED;
    }
    if ((t->rights & (SP_RIGHT_SEND | SP_RIGHT_RECEIVE)) == 0)
        return SP_EMALFORMED;
    if (t->expires <= now_s || t->issued < not_before_s)
        return SP_EEXPIREDTOKEN;
    return t->issued > (uint64_t)now_s + SKEW_S ? SP_EEXPIREDTOKEN : 0;
}

/* Seven parameters, each a separate input of step 5.  NOLINTNEXTLINE(readability-function-size) */
int sp_token_open(const struct sp_crypto *c, const struct sp_token_keys *keys,
                  const uint8_t gateway_pk[SP_KEY_LEN], const uint8_t *token, uint32_t now_s,
                  uint32_t not_before_s, struct sp_token *out)
{
    uint8_t ad[48];
    uint8_t plain[SP_TOKEN_PLAIN_LEN];
    c->wipe(c->self, out, sizeof *out);
    if (token[0] != TOKEN_VERSION)
        return SP_EVERSION;
    const uint8_t *key = find_key(keys, token[1]);
    if (key == NULL)
        return SP_EAUTH;
    if (c->xopen(c->self, plain, key, token + 2, token_ad(ad, token[0], token[1], gateway_pk),
                 sp_bytes_view(token + HEAD_LEN, SP_TOKEN_LEN - HEAD_LEN)) != 0)
        return SP_EAUTH;
    read_plain(plain, out);
    c->wipe(c->self, plain, sizeof plain);
    int rc = judge(out, now_s, not_before_s);
    if (rc != 0)
        c->wipe(c->self, out, sizeof *out);
    return rc;
}

/* ---- blob ---- */

static bool addr_holds(const struct sp_addr *a)
{
    return (a->family == 4 || a->family == 6) && a->port != 0;
}

static size_t ip_len(uint8_t family)
{
    return family == 4 ? IP4_LEN : IP6_LEN;
}

int sp_token_blob_encode(const struct sp_blob *b, uint8_t *dst, size_t cap, size_t *len)
{
    if (b->addrs_n < 1 || b->addrs_n > SP_BLOB_ADDRS_MAX)
        return SP_EINVAL;
    struct sp_writer w = sp_bytes_writer(dst, cap);
    sp_bytes_put8(&w, BLOB_VERSION);
    sp_bytes_put(&w, sp_bytes_view(b->token, sizeof b->token));
    sp_bytes_put(&w, sp_bytes_view(b->psk, sizeof b->psk));
    sp_bytes_put(&w, sp_bytes_view(b->gateway_pk, sizeof b->gateway_pk));
    sp_bytes_put32(&w, b->issued);
    sp_bytes_put32(&w, b->expires);
    sp_bytes_put8(&w, (uint8_t)b->addrs_n);
    for (size_t i = 0; i < b->addrs_n; i++) {
        const struct sp_addr *a = &b->addrs[i];
        if (!addr_holds(a))
            return SP_EINVAL;
        sp_bytes_put8(&w, a->family);
        sp_bytes_put(&w, sp_bytes_view(a->ip, ip_len(a->family)));
        sp_bytes_put16(&w, a->port);
    }
    if (w.is_full)
        return SP_EFULL;
    *len = w.len;
    return 0;
}

static struct sp_addr read_addr(struct sp_reader *r)
{
    struct sp_addr a = {0};
    a.family = sp_bytes_u8(r);
    sp_bytes_copy(r, a.ip, ip_len(a.family));
    a.port = sp_bytes_u16(r);
    if (!addr_holds(&a))
        r->is_bad = true;
    return a;
}

int sp_token_blob_decode(struct sp_view in, struct sp_blob *out)
{
    struct sp_reader r = sp_bytes_reader(in);
    memset(out, 0, sizeof *out);
    uint8_t version = sp_bytes_u8(&r);
    if (!r.is_bad && version != BLOB_VERSION)
        return SP_EVERSION;
    sp_bytes_copy(&r, out->token, sizeof out->token);
    sp_bytes_copy(&r, out->psk, sizeof out->psk);
    sp_bytes_copy(&r, out->gateway_pk, sizeof out->gateway_pk);
    out->issued = sp_bytes_u32(&r);
    out->expires = sp_bytes_u32(&r);
    uint8_t n = sp_bytes_u8(&r);
    for (size_t i = 0; i < n && !r.is_bad; i++) {
        struct sp_addr a = read_addr(&r);
        if (out->addrs_n < SP_BLOB_ADDRS_MAX)
            out->addrs[out->addrs_n++] = a;
    }
    return r.is_bad || r.left > 0 || n == 0 ? SP_EMALFORMED : 0;
}

/* ---- text: base64url, RFC 4648 section 5 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=";
#define PAD_AT 64 /* place of the padding character */

/* The four characters of the n = 1..3 bytes at p. */
static void encode_group(const uint8_t *p, size_t n, char dst[4])
{
    uint32_t bits = (uint32_t)p[0] << 16;
    if (n > 1)
        bits |= (uint32_t)p[1] << 8;
    if (n > 2)
        bits |= p[2];
    for (size_t i = 0; i < 4; i++)
        dst[i] = alphabet[i <= n ? bits >> (18 - 6 * i) & 63 : PAD_AT];
}

int sp_token_text_encode(struct sp_view in, char *dst, size_t cap)
{
    if (cap == 0 || in.n > (cap - 1) / 4 * 3)
        return SP_EFULL;
    size_t at = 0;
    for (size_t i = 0; i < in.n; i += 3, at += 4)
        encode_group(in.p + i, in.n - i < 3 ? in.n - i : 3, dst + at);
    dst[at] = '\0';
    return 0;
}

/* The six bits of a character, or -1. */
static int value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

/* Cuts a final newline and padding off.  False when there is padding, but not as much as belongs there. */
static bool trim(struct sp_view *text)
{
    if (text->n > 0 && text->p[text->n - 1] == '\n')
        text->n--;
    size_t pads = 0;
    while (pads < 2 && text->n > 0 && text->p[text->n - 1] == '=') {
        text->n--;
        pads++;
    }
    return pads == 0 || (text->n + pads) % 4 == 0;
}

int sp_token_text_decode(struct sp_view text, uint8_t *dst, size_t cap, size_t *len)
{
    if (!trim(&text) || text.n % 4 == 1)
        return SP_EMALFORMED;
    struct sp_writer w = sp_bytes_writer(dst, cap);
    uint32_t bits = 0;
    unsigned held = 0; /* bits not yet written */
    for (size_t i = 0; i < text.n; i++) {
        int v = value_of(text.p[i]);
        if (v < 0)
            return SP_EMALFORMED;
        bits = bits << 6 | (uint32_t)v;
        held += 6;
        if (held >= 8) {
            held -= 8;
            sp_bytes_put8(&w, (uint8_t)(bits >> held));
            bits &= ((uint32_t)1 << held) - 1;
        }
    }
    if (bits != 0) /* unused bits of the last character: the same bytes would have two texts */
        return SP_EMALFORMED;
    if (w.is_full)
        return SP_EFULL;
    *len = w.len;
    return 0;
}
