/* Noise_NKpsk0_25519_ChaChaPoly_SHA256 (Noise specification, revision 34):
 *
 *     <- s
 *     ...
 *     -> psk, e, es     INIT, sealing the first frames
 *     <- e, ee          ACCEPT, sealing cid, reset token, frames
 *
 * Layout, prologue and proof: docs/protocol.md, sections 2.2 and 2.3. */
#include "handshake.h"

#include <sampan/err.h>

#include "bytes.h"

#include <string.h>

#define INIT_VERSION   1
#define E_LEN          32
#define PROOF_LEN      16
#define HASH_LEN       32
#define E_AT           2                 /* place of e in an INIT */
#define TIME_AT        (E_AT + E_LEN)    /* the prologue goes on here */
#define COOKIE_AT      (TIME_AT + 4 + 1) /* behind time and clen */
#define ACCEPT_E_AT    1
#define ACCEPT_SEAL_AT (ACCEPT_E_AT + E_LEN)
#define ACCEPT_HEAD    (8 + 16 + 1 + 4) /* cid, reset, early, time before the frames */

static const uint8_t noise_zero[SP_NONCE_LEN]; /* each key seals one text: nonce 0 */

/* ---- Noise symmetric state, section 5.2 of the specification ---- */

/* HKDF of Noise (section 4.3) with the chaining key: n = 2 or 3 outputs. */
static void hkdf(const struct sp_handshake *h, struct sp_view material, uint8_t out[][HASH_LEN], size_t n)
{
    const struct sp_crypto *c = h->crypto;
    uint8_t secret[HASH_LEN];
    c->hmac_sha256(c->self, secret, sp_bytes_view(h->ck, sizeof h->ck), &material, 1);
    for (size_t i = 0; i < n; i++) {
        uint8_t number = (uint8_t)(i + 1);
        struct sp_view parts[2] = {{0}, {.p = &number, .n = 1}};
        if (i > 0)
            parts[0] = sp_bytes_view(out[i - 1], HASH_LEN);
        c->hmac_sha256(c->self, out[i], sp_bytes_view(secret, sizeof secret), parts, 2);
    }
    c->wipe(c->self, secret, sizeof secret);
}

static void mix_hash(struct sp_handshake *h, const struct sp_view *data, size_t n)
{
    struct sp_view parts[4] = {sp_bytes_view(h->h, sizeof h->h)};
    uint8_t out[HASH_LEN];
    for (size_t i = 0; i < n; i++)
        parts[i + 1] = data[i];
    h->crypto->sha256(h->crypto->self, out, parts, n + 1);
    memcpy(h->h, out, sizeof h->h);
}

static void mix_key(struct sp_handshake *h, struct sp_view material)
{
    uint8_t out[2][HASH_LEN];
    hkdf(h, material, out, 2);
    memcpy(h->ck, out[0], sizeof h->ck);
    memcpy(h->k, out[1], sizeof h->k);
    h->crypto->wipe(h->crypto->self, out, sizeof out);
}

/* Token psk: MixKeyAndHash. */
static void mix_psk(struct sp_handshake *h, const uint8_t psk[SP_KEY_LEN])
{
    uint8_t out[3][HASH_LEN];
    hkdf(h, sp_bytes_view(psk, SP_KEY_LEN), out, 3);
    memcpy(h->ck, out[0], sizeof h->ck);
    struct sp_view hashed = sp_bytes_view(out[1], HASH_LEN);
    mix_hash(h, &hashed, 1);
    memcpy(h->k, out[2], sizeof h->k);
    h->crypto->wipe(h->crypto->self, out, sizeof out);
}

/* Token e in a pattern with psk: the public key goes into hash and key (section 9.2). */
static void mix_e(struct sp_handshake *h, const uint8_t e_public[E_LEN])
{
    struct sp_view e = sp_bytes_view(e_public, E_LEN);
    mix_hash(h, &e, 1);
    mix_key(h, e);
}

/* Tokens es and ee. */
static int mix_dh(struct sp_handshake *h, const uint8_t secret[32], const uint8_t public[32])
{
    uint8_t dh[32];
    if (h->crypto->x25519(h->crypto->self, dh, secret, public) != 0)
        return SP_EAUTH;
    mix_key(h, sp_bytes_view(dh, sizeof dh));
    h->crypto->wipe(h->crypto->self, dh, sizeof dh);
    return 0;
}

/* EncryptAndHash of the n bytes at p, in place; the tag follows them. */
static void seal_and_hash(struct sp_handshake *h, uint8_t *p, size_t n)
{
    const struct sp_crypto *c = h->crypto;
    c->seal(c->self, p, h->k, noise_zero, sp_bytes_view(h->h, sizeof h->h), sp_bytes_view(p, n));
    struct sp_view sealed = sp_bytes_view(p, n + SP_TAG_LEN);
    mix_hash(h, &sealed, 1);
}

/* DecryptAndHash; dst may equal sealed.p. */
static int open_and_hash(struct sp_handshake *h, uint8_t *dst, struct sp_view sealed)
{
    const struct sp_crypto *c = h->crypto;
    uint8_t ad[HASH_LEN];
    memcpy(ad, h->h, sizeof ad);
    mix_hash(h, &sealed, 1); /* before opening, which may overwrite sealed */
    return c->open(c->self, dst, h->k, noise_zero, sp_bytes_view(ad, sizeof ad), sealed) == 0 ? 0 : SP_EAUTH;
}

static void split(const struct sp_handshake *h, struct sp_session_keys *keys)
{
    uint8_t out[2][HASH_LEN];
    hkdf(h, (struct sp_view){0}, out, 2);
    memcpy(keys->up, out[0], sizeof keys->up);
    memcpy(keys->down, out[1], sizeof keys->down);
    h->crypto->wipe(h->crypto->self, out, sizeof out);
}

/* Everything before the first message: name, prologue, the gateway's static key, psk.  The prologue is what
 * stands before `sealed` without e, so it comes as two pieces. */
static void start(struct sp_handshake *h, const struct sp_crypto *c, const struct sp_view prologue[2],
                  const uint8_t gateway_pk[32], const uint8_t psk[32])
{
    static const char name[] = "Noise_NKpsk0_25519_ChaChaPoly_SHA256";
    struct sp_view part = sp_bytes_view((const uint8_t *)name, sizeof name - 1);
    h->crypto = c;
    c->sha256(c->self, h->h, &part, 1);
    memcpy(h->ck, h->h, sizeof h->ck);
    mix_hash(h, prologue, 2);
    part = sp_bytes_view(gateway_pk, 32);
    mix_hash(h, &part, 1);
    mix_psk(h, psk);
}

static void prologue_of(const uint8_t *init, size_t sealed_at, struct sp_view prologue[2])
{
    prologue[0] = sp_bytes_view(init, E_AT);
    prologue[1] = sp_bytes_view(init + TIME_AT, sealed_at - TIME_AT);
}

/* proof = BLAKE2b-128(key psk, "sampan-init-1" and all bytes before it). */
static void proof_of(const struct sp_crypto *c, const uint8_t psk[32], struct sp_view before,
                     uint8_t proof[PROOF_LEN])
{
    static const uint8_t label[] = {'s', 'a', 'm', 'p', 'a', 'n', '-', 'i', 'n', 'i', 't', '-', '1'};
    struct sp_view parts[2] = {sp_bytes_view(label, sizeof label), before};
    c->blake2b(c->self, proof, PROOF_LEN, sp_bytes_view(psk, SP_KEY_LEN), parts, 2);
}

/* ---- client ---- */

/* Bytes of frames that the INIT carries, padding included; SIZE_MAX: they do not fit. */
static size_t init_frames_len(const struct sp_init_fields *f)
{
    size_t room = SP_INIT_FRAMES_MAX - f->cookie.n;
    if (f->frames.n > room)
        return SIZE_MAX;
    return f->cookie.n > 0 ? f->frames.n : room;
}

/* Writes all before `sealed`, then the plain frames; returns where the frames begin. */
static size_t write_init(const struct sp_handshake *h, const struct sp_init_fields *f, size_t frames_len,
                         uint8_t *dst)
{
    struct sp_writer w = sp_bytes_writer(dst, SP_DATAGRAM_MAX);
    sp_bytes_put8(&w, SP_FIRST_INIT);
    sp_bytes_put8(&w, INIT_VERSION);
    sp_bytes_put(&w, sp_bytes_view(h->e_public, E_LEN));
    sp_bytes_put32(&w, f->time_s);
    sp_bytes_put8(&w, (uint8_t)f->cookie.n);
    sp_bytes_put(&w, f->cookie);
    sp_bytes_put(&w, sp_bytes_view(f->token, SP_TOKEN_LEN));
    size_t at = w.len;
    sp_bytes_put(&w, f->frames);
    memset(dst + w.len, 0, frames_len - f->frames.n); /* a PAD frame is one zero byte */
    return at;
}

int sp_handshake_init(struct sp_handshake *h, const struct sp_crypto *c, const struct sp_init_fields *f,
                      uint8_t *dst, size_t cap, size_t *len)
{
    if (cap < SP_DATAGRAM_MAX || (f->cookie.n != 0 && f->cookie.n != SP_COOKIE_LEN))
        return SP_EINVAL;
    size_t frames_len = init_frames_len(f);
    if (frames_len == SIZE_MAX)
        return SP_EINVAL;

    struct sp_handshake own = {0};
    memcpy(own.e_secret, f->e_secret, sizeof own.e_secret);
    c->x25519_base(c->self, own.e_public, f->e_secret);
    size_t at = write_init(&own, f, frames_len, dst);

    struct sp_view prologue[2];
    prologue_of(dst, at, prologue);
    start(&own, c, prologue, f->gateway_pk, f->psk);
    mix_e(&own, own.e_public);
    if (mix_dh(&own, f->e_secret, f->gateway_pk) != 0) {
        c->wipe(c->self, &own, sizeof own);
        return SP_EAUTH;
    }
    seal_and_hash(&own, dst + at, frames_len);
    size_t end = at + frames_len + SP_TAG_LEN;
    proof_of(c, f->psk, sp_bytes_view(dst, end), dst + end);
    *h = own;
    *len = end + PROOF_LEN;
    c->wipe(c->self, &own, sizeof own);
    return 0;
}

static int read_accept(struct sp_view plain, struct sp_accept *out)
{
    struct sp_reader r = sp_bytes_reader(plain);
    struct sp_accept a = {0};
    sp_bytes_copy(&r, a.cid, sizeof a.cid);
    sp_bytes_copy(&r, a.reset, sizeof a.reset);
    uint8_t early = sp_bytes_u8(&r);
    a.early = early == 1;
    a.time_s = sp_bytes_u32(&r);
    a.frames = sp_bytes_take(&r, r.left);
    if (r.is_bad || early > 1)
        return SP_EMALFORMED;
    *out = a;
    return 0;
}

int sp_handshake_finish(const struct sp_handshake *h, uint8_t *datagram, size_t len, struct sp_accept *out,
                        struct sp_session_keys *keys)
{
    if (len < SP_ACCEPT_MIN || len > SP_DATAGRAM_MAX || datagram[0] != SP_FIRST_ACCEPT)
        return SP_EMALFORMED;
    const struct sp_crypto *c = h->crypto;
    struct sp_handshake own = *h; /* a forged ACCEPT must not spoil the state that the genuine one needs */
    uint8_t *sealed = datagram + ACCEPT_SEAL_AT;
    size_t n = len - ACCEPT_SEAL_AT;

    mix_e(&own, datagram + ACCEPT_E_AT);
    int rc = mix_dh(&own, own.e_secret, datagram + ACCEPT_E_AT);
    if (rc == 0)
        rc = open_and_hash(&own, sealed, sp_bytes_view(sealed, n));
    if (rc == 0)
        rc = read_accept(sp_bytes_view(sealed, n - SP_TAG_LEN), out);
    if (rc == 0)
        split(&own, keys);
    c->wipe(c->self, &own, sizeof own);
    return rc;
}

/* ---- gateway ---- */

int sp_handshake_parse(struct sp_view datagram, struct sp_init *out)
{
    if (datagram.n < SP_INIT_MIN || datagram.n > SP_DATAGRAM_MAX || datagram.p[0] != SP_FIRST_INIT)
        return SP_EMALFORMED;
    if (datagram.p[1] != INIT_VERSION)
        return SP_EVERSION;

    struct sp_reader r = sp_bytes_reader(datagram);
    struct sp_init in = {.datagram = datagram};
    (void)sp_bytes_take(&r, E_AT);
    in.e = sp_bytes_take(&r, E_LEN).p;
    in.time_s = sp_bytes_u32(&r);
    size_t clen = sp_bytes_u8(&r);
    /* Without cookie the INIT must be as long as anything we might answer: RETRY and ACCEPT never amplify. */
    if (clen != SP_COOKIE_LEN && (clen != 0 || datagram.n != SP_DATAGRAM_MAX))
        return SP_EMALFORMED;
    in.cookie = sp_bytes_take(&r, clen);
    in.token = sp_bytes_take(&r, SP_TOKEN_LEN).p;
    if (r.is_bad || r.left < SP_TAG_LEN + PROOF_LEN)
        return SP_EMALFORMED;
    in.sealed = sp_bytes_take(&r, r.left - PROOF_LEN);
    in.proof = sp_bytes_take(&r, PROOF_LEN).p;
    *out = in;
    return 0;
}

int sp_handshake_prove(const struct sp_crypto *c, const struct sp_init *in, const uint8_t psk[32])
{
    uint8_t proof[PROOF_LEN];
    proof_of(c, psk, sp_bytes_view(in->datagram.p, in->datagram.n - PROOF_LEN), proof);
    return c->compare(c->self, proof, in->proof, PROOF_LEN) == 0 ? 0 : SP_EAUTH;
}

/* Nine parameters: three keys and a buffer beside the message.  NOLINTNEXTLINE(readability-function-size) */
int sp_handshake_open(struct sp_handshake *h, const struct sp_crypto *c, const struct sp_init *in,
                      const uint8_t gateway_secret[32], const uint8_t gateway_pk[32], const uint8_t psk[32],
                      uint8_t *frames, size_t cap, size_t *frames_len)
{
    size_t n = in->sealed.n - SP_TAG_LEN;
    if (cap < n)
        return SP_EFULL;
    struct sp_view prologue[2];
    prologue_of(in->datagram.p, (size_t)(in->sealed.p - in->datagram.p), prologue);
    memset(h, 0, sizeof *h);
    start(h, c, prologue, gateway_pk, psk);
    memcpy(h->peer_e, in->e, sizeof h->peer_e);
    mix_e(h, in->e);
    int rc = mix_dh(h, gateway_secret, in->e);
    if (rc == 0)
        rc = open_and_hash(h, frames, in->sealed);
    if (rc != 0) {
        c->wipe(c->self, h, sizeof *h);
        return rc;
    }
    *frames_len = n;
    return 0;
}

/* Seven parameters: one of them is the buffer's size.  NOLINTNEXTLINE(readability-function-size) */
int sp_handshake_accept(struct sp_handshake *h, const uint8_t e_secret[32], const struct sp_accept *a,
                        uint8_t *dst, size_t cap, size_t *len, struct sp_session_keys *keys)
{
    const struct sp_crypto *c = h->crypto;
    if (cap < SP_ACCEPT_MIN || a->frames.n > cap - SP_ACCEPT_MIN)
        return SP_EFULL;
    memcpy(h->e_secret, e_secret, sizeof h->e_secret);
    c->x25519_base(c->self, h->e_public, e_secret);

    struct sp_writer w = sp_bytes_writer(dst, cap);
    sp_bytes_put8(&w, SP_FIRST_ACCEPT);
    sp_bytes_put(&w, sp_bytes_view(h->e_public, E_LEN));
    sp_bytes_put(&w, sp_bytes_view(a->cid, sizeof a->cid));
    sp_bytes_put(&w, sp_bytes_view(a->reset, sizeof a->reset));
    sp_bytes_put8(&w, a->early ? 1 : 0);
    sp_bytes_put32(&w, a->time_s);
    sp_bytes_put(&w, a->frames);

    mix_e(h, h->e_public);
    if (mix_dh(h, e_secret, h->peer_e) != 0)
        return SP_EAUTH;
    seal_and_hash(h, dst + ACCEPT_SEAL_AT, ACCEPT_HEAD + a->frames.n);
    split(h, keys);
    *len = w.len + SP_TAG_LEN;
    return 0;
}
