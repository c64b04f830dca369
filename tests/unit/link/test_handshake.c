/* handshake.c: both ends, every refusal.  Exact bytes are in tests/vectors. */
#include "handshake.h"

#include <sampan/err.h>

#include "crypto_sodium.h"
#include "hex.h"

static const uint8_t client_e[32] = {4, 4, 4};
static const uint8_t gateway_e[32] = {5, 5, 5};
static const uint8_t gateway_secret[32] = {7, 7, 7};
static const uint8_t psk[32] = {1, 2, 3};
static const uint8_t token[SP_TOKEN_LEN] = {1, 9, 9};
static const uint8_t cookie[SP_COOKIE_LEN] = {8, 8, 8};
static const uint8_t frames[] = {6, 5, 4, 3, 2, 1};

static const uint8_t *gateway_pk(void)
{
    static uint8_t pk[32];
    const struct sp_crypto *c = sp_crypto_sodium();
    c->x25519_base(c->self, pk, gateway_secret);
    return pk;
}

static struct sp_init_fields fields(size_t cookie_n)
{
    return (struct sp_init_fields){.e_secret = client_e,
                                   .gateway_pk = gateway_pk(),
                                   .psk = psk,
                                   .token = token,
                                   .time_s = 1700000001,
                                   .cookie = {.p = cookie, .n = cookie_n},
                                   .frames = {.p = frames, .n = sizeof frames}};
}

struct first {
    struct sp_handshake client;
    uint8_t p[SP_DATAGRAM_MAX];
    size_t len;
};

static struct first init_with(const struct sp_init_fields *f)
{
    struct first x;
    cr_assert_eq(sp_handshake_init(&x.client, sp_crypto_sodium(), f, x.p, sizeof x.p, &x.len), 0);
    return x;
}

static struct first init_of(size_t cookie_n)
{
    struct sp_init_fields f = fields(cookie_n);
    return init_with(&f);
}

/* The gateway's steps 1, 6 and 8 over these bytes. */
struct second {
    struct sp_handshake gateway;
    struct sp_init in;
    uint8_t plain[SP_DATAGRAM_MAX];
    size_t plain_len;
    int parse, prove, open;
};

static struct second gateway_takes(const uint8_t *p, size_t n)
{
    struct second s = {.prove = SP_EINVAL, .open = SP_EINVAL};
    const struct sp_crypto *c = sp_crypto_sodium();
    s.parse = sp_handshake_parse((struct sp_view){.p = p, .n = n}, &s.in);
    if (s.parse != 0)
        return s;
    s.prove = sp_handshake_prove(c, &s.in, psk);
    s.open = sp_handshake_open(&s.gateway, c, &s.in, gateway_secret, gateway_pk(), psk, s.plain,
                               sizeof s.plain, &s.plain_len);
    return s;
}

struct third {
    uint8_t p[SP_DATAGRAM_MAX];
    size_t len;
    struct sp_session_keys keys;
};

static struct third accept_of(const struct first *x, size_t frames_n)
{
    struct third t;
    struct second s = gateway_takes(x->p, x->len);
    struct sp_accept a = {.early = true, .time_s = 1700000002, .frames = {.p = frames, .n = frames_n}};
    cr_assert_eq(s.open, 0);
    memset(a.cid, 0xc1, sizeof a.cid);
    memset(a.reset, 0xc2, sizeof a.reset);
    cr_assert_eq(sp_handshake_accept(&s.gateway, gateway_e, &a, t.p, sizeof t.p, &t.len, &t.keys), 0);
    return t;
}

Test(handshake, both_sides_agree)
{
    static const size_t cookies[] = {0, SP_COOKIE_LEN};
    for (size_t i = 0; i < 2; i++) {
        struct first x = init_of(cookies[i]);
        size_t want = cookies[i] == 0 ? SP_DATAGRAM_MAX : SP_INIT_MIN + SP_COOKIE_LEN + sizeof frames;
        cr_assert_eq(x.len, want);
        struct second s = gateway_takes(x.p, x.len);
        cr_assert(s.parse == 0 && s.prove == 0 && s.open == 0);
        cr_assert_eq(s.in.time_s, 1700000001);
        cr_assert_eq(s.in.cookie.n, cookies[i]);
        cr_assert_arr_eq(s.in.token, token, SP_TOKEN_LEN);
        cr_assert_arr_eq(s.plain, frames, sizeof frames);
        for (size_t k = sizeof frames; k < s.plain_len; k++)
            cr_assert_eq(s.plain[k], 0, "padding is PAD");

        struct third t = accept_of(&x, sizeof frames);
        struct sp_accept got;
        struct sp_session_keys keys;
        cr_assert_eq(t.len, SP_ACCEPT_MIN + sizeof frames);
        cr_assert_eq(sp_handshake_finish(&x.client, t.p, t.len, &got, &keys), 0);
        cr_assert_arr_eq(keys.up, t.keys.up, 32);
        cr_assert_arr_eq(keys.down, t.keys.down, 32);
        cr_assert_neq(memcmp(keys.up, keys.down, 32), 0);
        cr_assert(got.early && got.time_s == 1700000002);
        cr_assert(got.cid[0] == 0xc1 && got.cid[7] == 0xc1 && got.reset[0] == 0xc2 && got.reset[15] == 0xc2);
        cr_assert_eq(got.frames.n, sizeof frames);
        cr_assert_arr_eq(got.frames.p, frames, sizeof frames);
    }
}

Test(handshake, a_repeated_init_is_byte_identical)
{
    struct first a = init_of(0);
    struct first b = init_of(0);
    cr_assert_eq(a.len, b.len);
    cr_assert_arr_eq(a.p, b.p, a.len);
}

struct room_case {
    size_t cookie_n, frames_n;
    int want;
};
static const struct room_case rooms[] = {
    {0, 0, 0},         {0, 967, 0},        {0, 968, SP_EINVAL},
    {20, 0, 0},        {20, 947, 0},       {20, 948, SP_EINVAL},
    {1, 0, SP_EINVAL}, {19, 0, SP_EINVAL}, {21, 0, SP_EINVAL},
};

Test(handshake, init_keeps_to_its_room)
{
    static const uint8_t many[1000] = {2};
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        uint8_t p[SP_DATAGRAM_MAX];
        uint8_t cookies[32] = {0};
        size_t len = 0;
        struct sp_handshake h;
        struct sp_init_fields f = fields(0);
        f.cookie = (struct sp_view){.p = cookies, .n = rooms[i].cookie_n};
        f.frames = (struct sp_view){.p = many, .n = rooms[i].frames_n};
        cr_assert_eq(sp_handshake_init(&h, sp_crypto_sodium(), &f, p, sizeof p, &len), rooms[i].want,
                     "row %zu", i);
        if (rooms[i].want == 0 && rooms[i].cookie_n == 0)
            cr_assert_eq(len, SP_DATAGRAM_MAX);
        cr_assert_eq(sp_handshake_init(&h, sp_crypto_sodium(), &f, p, sizeof p - 1, &len), SP_EINVAL);
    }
}

Test(handshake, gateway_key_of_low_order_is_refused)
{
    uint8_t p[SP_DATAGRAM_MAX];
    uint8_t zero[32] = {0};
    size_t len = 0;
    struct sp_handshake h;
    struct sp_init_fields f = fields(0);
    f.gateway_pk = zero;
    cr_assert_eq(sp_handshake_init(&h, sp_crypto_sodium(), &f, p, sizeof p, &len), SP_EAUTH);
}

/* ---- parsing an INIT ---- */

struct parse_case {
    const char *what;
    size_t n; /* bytes of the datagram */
    uint8_t first, version, clen;
    int want;
};
static const struct parse_case parses[] = {
    {"full", 1200, 1, 1, 0, 0},
    {"full with cookie", 1200, 1, 1, 20, 0},
    {"shortest with cookie", 253, 1, 1, 20, 0},
    {"one byte less", 252, 1, 1, 20, SP_EMALFORMED},
    {"no cookie, not full", 1199, 1, 1, 0, SP_EMALFORMED},
    {"no cookie, shortest", 233, 1, 1, 0, SP_EMALFORMED},
    {"over the datagram", 1201, 1, 1, 0, SP_EMALFORMED},
    {"over the datagram, cookie", 1201, 1, 1, 20, SP_EMALFORMED},
    {"clen 1", 1200, 1, 1, 1, SP_EMALFORMED},
    {"clen 19", 1200, 1, 1, 19, SP_EMALFORMED},
    {"clen 21", 1200, 1, 1, 21, SP_EMALFORMED},
    {"clen 255", 1200, 1, 1, 255, SP_EMALFORMED},
    {"ACCEPT", 1200, 2, 1, 0, SP_EMALFORMED},
    {"DATA", 1200, 0x40, 1, 0, SP_EMALFORMED},
    {"version 0", 1200, 1, 0, 0, SP_EVERSION},
    {"version 2", 1200, 1, 2, 0, SP_EVERSION},
    {"a few bytes", 3, 1, 1, 0, SP_EMALFORMED},
    {"one byte", 1, 1, 0, 0, SP_EMALFORMED},
    {"nothing", 0, 0, 0, 0, SP_EMALFORMED},
};

Test(handshake, init_is_parsed_or_refused_before_any_crypto)
{
    for (size_t i = 0; i < sizeof parses / sizeof parses[0]; i++) {
        uint8_t buf[1300] = {parses[i].first, parses[i].version};
        buf[38] = parses[i].clen;
        uint8_t *exact = sp_hex_exact(buf, parses[i].n);
        struct sp_init in;
        cr_assert_eq(sp_handshake_parse((struct sp_view){.p = exact, .n = parses[i].n}, &in), parses[i].want,
                     "%s", parses[i].what);
        if (parses[i].want == 0) {
            cr_assert_eq(in.e, exact + 2);
            cr_assert_eq(in.cookie.n, parses[i].clen);
            cr_assert_eq(in.token, exact + 39 + parses[i].clen);
            cr_assert_eq(in.sealed.p, in.token + SP_TOKEN_LEN);
            cr_assert_eq(in.proof, in.sealed.p + in.sealed.n);
            cr_assert_eq(in.proof + 16, exact + parses[i].n);
        }
        free(exact);
    }
}

/* ---- forgery ---- */

/* Every changed bit of an INIT ends at the proof; and every one that is not in the proof itself also at the
 * AEAD, since prologue, e and frames are bound there. */
static void flip_init(const struct first *x)
{
    size_t proof_at = x->len - 16;
    for (size_t bit = 0; bit < x->len * 8; bit++) {
        uint8_t copy[SP_DATAGRAM_MAX];
        memcpy(copy, x->p, x->len);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct second s = gateway_takes(copy, x->len);
        if (s.parse != 0)
            continue;
        cr_assert_eq(s.prove, SP_EAUTH, "bit %zu", bit);
        cr_assert_eq(s.open, bit / 8 < proof_at ? SP_EAUTH : 0, "bit %zu", bit);
    }
}

Test(handshake, every_bit_of_an_init_counts)
{
    struct first x = init_of(SP_COOKIE_LEN);
    flip_init(&x);
}

Test(handshake, a_full_init_flipped_byte_by_byte)
{
    struct first x = init_of(0);
    for (size_t at = 0; at < x.len; at++) {
        x.p[at] ^= 0x10;
        struct second s = gateway_takes(x.p, x.len);
        cr_assert(s.parse != 0 || s.prove == SP_EAUTH, "byte %zu", at);
        x.p[at] ^= 0x10;
    }
    cr_assert_eq(gateway_takes(x.p, x.len).open, 0);
}

Test(handshake, another_psk_or_gateway_opens_nothing)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    uint8_t other[32] = {9};
    uint8_t other_pk[32];
    uint8_t plain[SP_DATAGRAM_MAX];
    size_t len = 0;
    struct sp_handshake h;
    struct first x = init_of(0);
    struct second s = gateway_takes(x.p, x.len);
    c->x25519_base(c->self, other_pk, other);
    cr_assert_eq(sp_handshake_prove(c, &s.in, other), SP_EAUTH);
    cr_assert_eq(
        sp_handshake_open(&h, c, &s.in, gateway_secret, gateway_pk(), other, plain, sizeof plain, &len),
        SP_EAUTH);
    cr_assert_eq(sp_handshake_open(&h, c, &s.in, other, other_pk, psk, plain, sizeof plain, &len), SP_EAUTH);
    cr_assert_eq(sp_handshake_open(&h, c, &s.in, gateway_secret, gateway_pk(), psk, plain, 966, &len),
                 SP_EFULL);
    cr_assert_eq(sp_handshake_open(&h, c, &s.in, gateway_secret, gateway_pk(), psk, plain, 967, &len), 0);
    cr_assert_eq(len, 967);
}

Test(handshake, e_of_low_order_is_refused)
{
    struct first x = init_of(0);
    memset(x.p + 2, 0, 32);
    struct second s = gateway_takes(x.p, x.len);
    cr_assert_eq(s.open, SP_EAUTH);
    const struct sp_handshake zero = {0};
    cr_assert_eq(memcmp(&s.gateway, &zero, sizeof zero), 0, "nothing of a refused handshake is kept");
}

/* A client that gets forged ACCEPTs first still opens the genuine one. */
Test(handshake, every_bit_of_an_accept_counts)
{
    struct first x = init_of(SP_COOKIE_LEN);
    struct third t = accept_of(&x, 3);
    const struct sp_handshake before = x.client;
    struct sp_accept got;
    struct sp_session_keys keys;
    for (size_t bit = 0; bit < t.len * 8; bit++) {
        uint8_t copy[SP_DATAGRAM_MAX];
        memcpy(copy, t.p, t.len);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int rc = sp_handshake_finish(&x.client, copy, t.len, &got, &keys);
        cr_assert_eq(rc, bit < 8 ? SP_EMALFORMED : SP_EAUTH, "bit %zu", bit);
    }
    cr_assert_eq(memcmp(&before, &x.client, sizeof before), 0);
    cr_assert_eq(sp_handshake_finish(&x.client, t.p, t.len, &got, &keys), 0);
}

Test(handshake, accept_lengths)
{
    struct first x = init_of(SP_COOKIE_LEN);
    struct sp_accept got;
    struct sp_session_keys keys;
    for (size_t n = 0; n < SP_ACCEPT_MIN; n++) {
        uint8_t *exact = calloc(n + 1, 1);
        if (n > 0)
            exact[0] = SP_FIRST_ACCEPT;
        cr_assert_eq(sp_handshake_finish(&x.client, exact, n, &got, &keys), SP_EMALFORMED);
        free(exact);
    }
    uint8_t large[SP_DATAGRAM_MAX + 1] = {SP_FIRST_ACCEPT};
    cr_assert_eq(sp_handshake_finish(&x.client, large, sizeof large, &got, &keys), SP_EMALFORMED);
    struct third t = accept_of(&x, 0);
    cr_assert_eq(t.len, SP_ACCEPT_MIN);
    cr_assert_eq(sp_handshake_finish(&x.client, t.p, t.len, &got, &keys), 0);
    cr_assert_eq(got.frames.n, 0);
}

Test(handshake, accept_keeps_to_its_room)
{
    for (size_t room = 0; room <= SP_ACCEPT_MIN + sizeof frames; room++) {
        struct first x = init_of(SP_COOKIE_LEN);
        struct second s = gateway_takes(x.p, x.len);
        struct sp_accept a = {.frames = {.p = frames, .n = sizeof frames}};
        struct sp_session_keys keys;
        uint8_t *dst = malloc(room + 1);
        size_t len = 0;
        int want = room < SP_ACCEPT_MIN + sizeof frames ? SP_EFULL : 0;
        cr_assert_eq(sp_handshake_accept(&s.gateway, gateway_e, &a, dst, room, &len, &keys), want);
        free(dst);
    }
}

Test(handshake, early_is_told)
{
    struct first x = init_of(SP_COOKIE_LEN);
    struct second s = gateway_takes(x.p, x.len);
    struct sp_accept a = {.early = false};
    struct sp_accept got = {.early = true};
    struct sp_session_keys keys;
    uint8_t p[SP_DATAGRAM_MAX];
    size_t len = 0;
    cr_assert_eq(sp_handshake_accept(&s.gateway, gateway_e, &a, p, sizeof p, &len, &keys), 0);
    cr_assert_eq(sp_handshake_finish(&x.client, p, len, &got, &keys), 0);
    cr_assert_not(got.early);
}

static void seal_early_2(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[12],
                         struct sp_view ad, struct sp_view text)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    uint8_t changed[SP_DATAGRAM_MAX];
    (void)self;
    memcpy(changed, text.p, text.n);
    changed[8 + 16] = 2;
    c->seal(c->self, dst, key, nonce, ad, (struct sp_view){.p = changed, .n = text.n});
}

Test(handshake, early_of_2_is_malformed)
{
    struct sp_crypto wicked = *sp_crypto_sodium();
    struct first x = init_of(SP_COOKIE_LEN);
    struct second s = gateway_takes(x.p, x.len);
    struct sp_accept a = {.early = true};
    struct sp_session_keys keys = {{0}, {0}};
    uint8_t p[SP_DATAGRAM_MAX];
    size_t len = 0;
    wicked.seal = seal_early_2;
    s.gateway.crypto = &wicked;
    cr_assert_eq(sp_handshake_accept(&s.gateway, gateway_e, &a, p, sizeof p, &len, &keys), 0);
    cr_assert_eq(sp_handshake_finish(&x.client, p, len, &a, &keys), SP_EMALFORMED);
}

Test(handshake, keys_belong_to_one_exchange)
{
    struct first x = init_of(0);
    struct third t = accept_of(&x, 0);
    uint8_t other_e[32] = {6};
    struct sp_init_fields f = fields(0);
    f.e_secret = other_e;
    struct first y = init_with(&f);
    struct sp_accept got;
    struct sp_session_keys keys;
    cr_assert_eq(sp_handshake_finish(&y.client, t.p, t.len, &got, &keys), SP_EAUTH);
    struct third u = accept_of(&y, 0);
    cr_assert_neq(memcmp(&t.keys, &u.keys, sizeof t.keys), 0);
}
