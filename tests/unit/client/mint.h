/* The gateway's half of a handshake for tests of the client: its keys, blobs it would accept, and ACCEPT,
 * RETRY, RESET made from an INIT.  Included by one test program each. */
#ifndef TESTS_MINT_H
#define TESTS_MINT_H

#include "crypto_sodium.h"
#include "handshake.h"
#include "token.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct mint {
    const struct sp_crypto *crypto;
    uint8_t secret[32], public[32], token_key[32];
    uint8_t serial; /* makes each session's bytes different */
};

static inline void mint_init(struct mint *m)
{
    *m = (struct mint){.crypto = sp_crypto_sodium()};
    memset(m->secret, 7, sizeof m->secret);
    memset(m->token_key, 9, sizeof m->token_key);
    m->crypto->x25519_base(m->crypto->self, m->public, m->secret);
}

/* A binary blob for `user` with n addresses 10.0.0.1, 10.0.0.2...; returns its length. */
static inline size_t mint_blob(const struct mint *m, const char *user, uint32_t issued, uint32_t life,
                               size_t addrs_n, uint8_t *dst, size_t cap)
{
    struct sp_token t = {.issued = issued, .expires = issued + life, .device = 5, .rights = 3};
    struct sp_blob b = {.issued = issued, .expires = issued + life, .addrs_n = addrs_n};
    uint8_t nonce[24] = {3};
    size_t len = 0;
    memset(t.psk, 1, sizeof t.psk);
    t.psk[0] = (uint8_t)user[0];
    t.psk[1] = (uint8_t)issued;
    memcpy(nonce, t.psk, 2);
    t.uid_len = (uint8_t)strlen(user);
    memcpy(t.uid, user, t.uid_len);
    cr_assert_eq(sp_token_seal(m->crypto, &t, 0, m->token_key, nonce, m->public, b.token), 0);
    memcpy(b.psk, t.psk, sizeof b.psk);
    memcpy(b.gateway_pk, m->public, sizeof b.gateway_pk);
    for (size_t i = 0; i < addrs_n; i++)
        b.addrs[i] = (struct sp_addr){.ip = {10, 0, 0, (uint8_t)(1 + i)}, .port = 7400, .family = 4};
    cr_assert_eq(sp_token_blob_encode(&b, dst, cap, &len), 0);
    return len;
}

/* What a gateway learns from an INIT. */
struct mint_visit {
    struct sp_init init;
    struct sp_token token;
    struct sp_handshake handshake;
};

/* Opens an INIT as a gateway would at now_s.  0, or where it ended. */
static inline int mint_open(const struct mint *m, const uint8_t *p, size_t len, uint32_t now_s,
                            struct mint_visit *v)
{
    struct sp_token_keys keys = {.n = 1};
    uint8_t frames[SP_DATAGRAM_MAX];
    size_t frames_len;
    memcpy(keys.of[0].key, m->token_key, 32);
    int rc = sp_handshake_parse((struct sp_view){p, len}, &v->init);
    if (rc == 0)
        rc = sp_token_open(m->crypto, &keys, m->public, v->init.token, now_s, 0, &v->token);
    if (rc == 0)
        rc = sp_handshake_prove(m->crypto, &v->init, v->token.psk);
    if (rc == 0)
        rc = sp_handshake_open(&v->handshake, m->crypto, &v->init, m->secret, m->public, v->token.psk, frames,
                               sizeof frames, &frames_len);
    return rc;
}

/* The ACCEPT of that visit; its length. */
static inline size_t mint_accept(struct mint *m, struct mint_visit *v, uint32_t now_s, uint8_t *dst,
                                 struct sp_accept *said, struct sp_session_keys *keys)
{
    uint8_t e[32];
    size_t len = 0;
    memset(e, ++m->serial, sizeof e);
    *said = (struct sp_accept){.cid = {0, m->serial}, .early = true, .time_s = now_s};
    memset(said->reset, m->serial, sizeof said->reset);
    cr_assert_eq(sp_handshake_accept(&v->handshake, e, said, dst, SP_DATAGRAM_MAX, &len, keys), 0);
    return len;
}

static inline size_t mint_retry(const uint8_t *init, const uint8_t cookie[SP_COOKIE_LEN], uint8_t *dst)
{
    dst[0] = SP_FIRST_RETRY;
    memcpy(dst + 1, init + 2, 8); /* e follows kind and version */
    memcpy(dst + 9, cookie, SP_COOKIE_LEN);
    return SP_RETRY_LEN;
}

static inline size_t mint_reset(const uint8_t token[16], uint8_t *dst)
{
    dst[0] = SP_FIRST_RESET;
    memcpy(dst + 1, token, 16);
    return SP_RESET_LEN;
}

#endif
