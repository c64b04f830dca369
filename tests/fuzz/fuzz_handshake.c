/* INIT and ACCEPT with known keys: a script makes a genuine INIT around frames of its own, changes a byte or
 * cuts it, perhaps makes the proof anew, and gives it to the gateway's steps; then the same for the ACCEPT.
 *
 * Promises: an unchanged one opens to what was put in and both ends hold the same keys; a changed one never
 * passes; a failed try spoils nothing; nothing is read beyond the end. */
#include "crypto_sodium.h"
#include "fuzz.h"
#include "handshake.h"
#include "script.h"

#include <sampan/err.h>

#define NOW_S     1700000000U
#define PROOF_LEN 16

struct stage {
    const struct sp_crypto *crypto;
    uint8_t secret[32], public[32], token_key[32], psk[32], e[32], token[SP_TOKEN_LEN], cookie[SP_COOKIE_LEN];
    struct sp_handshake client, gateway;
    uint8_t init[SP_DATAGRAM_MAX], frames[SP_DATAGRAM_MAX];
    size_t init_len;
    struct sp_view put; /* frames that the client sent */
};

/* What happens to a datagram on its way. */
struct harm {
    uint16_t at;
    uint8_t flip;
    uint16_t cut;
    bool has_new_proof;
};

static struct harm read_harm(struct script *s)
{
    struct harm h = {.at = script_u16(s), .flip = script_u8(s), .cut = script_u8(s)};
    h.has_new_proof = (h.cut & 0x80) != 0;
    h.cut = (h.cut & 0x40) != 0 ? h.cut & 0x3f : 0;
    return h;
}

static void prepare(struct stage *st)
{
    static bool is_made;
    static uint8_t public[32];
    st->crypto = sp_crypto_sodium();
    memset(st->secret, 7, sizeof st->secret);
    memset(st->token_key, 9, sizeof st->token_key);
    if (!is_made)
        st->crypto->x25519_base(st->crypto->self, public, st->secret);
    is_made = true;
    memcpy(st->public, public, sizeof public);
}

static void write_init(struct stage *st, struct script *s)
{
    struct sp_token t = {
        .issued = NOW_S - 5, .expires = NOW_S + 600, .device = 5, .rights = 3, .uid_len = 1, .uid = {'a'}};
    uint8_t nonce[24] = {3}, flags = script_u8(s);
    memset(st->psk, script_u8(s), sizeof st->psk);
    memset(st->e, script_u8(s), sizeof st->e);
    memset(st->cookie, script_u8(s), sizeof st->cookie);
    memcpy(t.psk, st->psk, sizeof t.psk);
    FUZZ_CHECK(sp_token_seal(st->crypto, &t, 0, st->token_key, nonce, st->public, st->token) == 0);
    st->put = script_view(s, script_u16(s) % (SP_INIT_FRAMES_MAX + 1));
    struct sp_init_fields f = {.e_secret = st->e,
                               .gateway_pk = st->public,
                               .psk = st->psk,
                               .token = st->token,
                               .time_s = script_u32(s),
                               .cookie = {st->cookie, (flags & 1) != 0 ? SP_COOKIE_LEN : 0},
                               .frames = st->put};
    int err = sp_handshake_init(&st->client, st->crypto, &f, st->init, sizeof st->init, &st->init_len);
    if (f.frames.n + f.cookie.n > SP_INIT_FRAMES_MAX) {
        FUZZ_CHECK(err == SP_EINVAL);
        st->init_len = 0;
        return;
    }
    FUZZ_CHECK(err == 0);
    FUZZ_CHECK(st->init_len <= SP_DATAGRAM_MAX);
    FUZZ_CHECK(f.cookie.n > 0 || st->init_len == SP_DATAGRAM_MAX);
}

static void prove_anew(const struct stage *st, uint8_t *init, size_t n)
{
    static const uint8_t label[] = "sampan-init-1";
    struct sp_view parts[2] = {{label, sizeof label - 1}, {init, n - PROOF_LEN}};
    st->crypto->blake2b(st->crypto->self, init + n - PROOF_LEN, PROOF_LEN, (struct sp_view){st->psk, 32},
                        parts, 2);
}

/* All steps of a gateway; 0, or where it ended. */
static int visit(struct stage *st, const uint8_t *p, size_t n, size_t *frames_len)
{
    struct sp_token_keys keys = {.n = 1};
    struct sp_token t;
    struct sp_init in;
    memcpy(keys.of[0].key, st->token_key, 32);
    int err = sp_handshake_parse((struct sp_view){p, n}, &in);
    if (err == 0)
        err = sp_token_open(st->crypto, &keys, st->public, in.token, NOW_S, 0, &t);
    if (err == 0)
        err = sp_handshake_prove(st->crypto, &in, t.psk);
    if (err == 0)
        err = sp_handshake_open(&st->gateway, st->crypto, &in, st->secret, st->public, t.psk, st->frames,
                                sizeof st->frames, frames_len);
    return err;
}

/* A harmed INIT comes nowhere; then the genuine one opens. */
static void visit_both(struct stage *st, const struct harm *h)
{
    size_t n = st->init_len - (h->cut < st->init_len ? h->cut : 0), len = 0;
    uint8_t *exact = fuzz_copy(st->init, n);
    if (n > 0)
        exact[h->at % n] ^= h->flip;
    if (h->has_new_proof && n >= PROOF_LEN)
        prove_anew(st, exact, n);
    if (n != st->init_len || memcmp(exact, st->init, n) != 0)
        FUZZ_CHECK(visit(st, exact, n, &len) != 0);
    free(exact);

    exact = fuzz_copy(st->init, st->init_len);
    FUZZ_CHECK(visit(st, exact, st->init_len, &len) == 0);
    FUZZ_CHECK(len >= st->put.n);
    FUZZ_CHECK(st->put.n == 0 || memcmp(st->frames, st->put.p, st->put.n) == 0);
    for (size_t i = st->put.n; i < len; i++)
        FUZZ_CHECK(st->frames[i] == 0);
    free(exact);
}

/* A harmed ACCEPT changes nothing; then the genuine one opens, to the same keys. */
static void accept_both(struct stage *st, struct script *s)
{
    struct harm h = read_harm(s);
    uint8_t e[32], flags = script_u8(s), bytes[SP_DATAGRAM_MAX];
    struct sp_accept a = {.early = (flags & 1) != 0, .time_s = script_u32(s)}, got;
    struct sp_session_keys theirs, ours;
    size_t len = 0;
    memset(a.cid, script_u8(s), sizeof a.cid);
    memset(a.reset, script_u8(s), sizeof a.reset);
    memset(e, script_u8(s), sizeof e);
    a.frames = script_view(s, script_u16(s) % SP_DATAGRAM_MAX);
    int err = sp_handshake_accept(&st->gateway, e, &a, bytes, sizeof bytes, &len, &theirs);
    FUZZ_CHECK(err == (a.frames.n > SP_DATAGRAM_MAX - SP_ACCEPT_MIN ? SP_EFULL : 0));
    if (err != 0)
        return;
    size_t n = len - (h.cut < len ? h.cut : 0);
    uint8_t *exact = fuzz_copy(bytes, n);
    if (n > 0)
        exact[h.at % n] ^= h.flip;
    if (n != len || memcmp(exact, bytes, n) != 0)
        FUZZ_CHECK(sp_handshake_finish(&st->client, exact, n, &got, &ours) != 0);
    free(exact);

    exact = fuzz_copy(bytes, len);
    FUZZ_CHECK(sp_handshake_finish(&st->client, exact, len, &got, &ours) == 0);
    FUZZ_CHECK(memcmp(&ours, &theirs, sizeof ours) == 0);
    FUZZ_CHECK(memcmp(got.cid, a.cid, sizeof a.cid) == 0);
    FUZZ_CHECK(memcmp(got.reset, a.reset, sizeof a.reset) == 0);
    FUZZ_CHECK(got.early == a.early);
    FUZZ_CHECK(got.time_s == a.time_s);
    FUZZ_CHECK(got.frames.n == a.frames.n);
    FUZZ_CHECK(a.frames.n == 0 || memcmp(got.frames.p, a.frames.p, a.frames.n) == 0);
    free(exact);
}

static void try_raw(struct stage *st, struct script *s)
{
    struct sp_view raw = script_view(s, s->n);
    size_t len = 0;
    uint8_t *exact = fuzz_copy(raw.p, raw.n);
    struct sp_accept a;
    struct sp_session_keys keys;
    st->client.crypto = st->crypto;
    FUZZ_CHECK(visit(st, exact, raw.n, &len) != 0);
    FUZZ_CHECK(sp_handshake_finish(&st->client, exact, raw.n, &a, &keys) != 0);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stage st;
    struct script s = {data, size};
    memset(&st, 0, sizeof st);
    prepare(&st);
    if (script_u8(&s) >= 0xe0) {
        try_raw(&st, &s);
        return 0;
    }
    struct harm h = read_harm(&s);
    write_init(&st, &s);
    if (st.init_len == 0)
        return 0;
    visit_both(&st, &h);
    accept_both(&st, &s);
    return 0;
}
