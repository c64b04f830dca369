/* Cookies, connection ids and reset tokens: docs/protocol.md, section 2.3 step 3 and section 2.4. */
#include "cookie.h"

#include <sampan/err.h>

#include "bytes.h"

#include <string.h>

#define COOKIE_LIFE_S 10
#define TIME_LEN      4
#define MAC_LEN       16
#define NONCE_LEN     24
#define CID_HEAD_LEN  6 /* worker and noise */
#define CID_CHECK_LEN 2

/* mac = BLAKE2b-128(secret, address, port, token nonce, time); an IPv4 address has 4 bytes here. */
static void mac_of(const struct sp_crypto *c, const uint8_t secret[SP_KEY_LEN], const struct sp_addr *peer,
                   const uint8_t token_nonce[NONCE_LEN], uint32_t now_s, uint8_t mac[MAC_LEN])
{
    uint8_t in[sizeof peer->ip + 2 + NONCE_LEN + TIME_LEN];
    struct sp_writer w = sp_bytes_writer(in, sizeof in);
    sp_bytes_put(&w, sp_bytes_view(peer->ip, peer->family == 4 ? 4 : sizeof peer->ip));
    sp_bytes_put16(&w, peer->port);
    sp_bytes_put(&w, sp_bytes_view(token_nonce, NONCE_LEN));
    sp_bytes_put32(&w, now_s);
    struct sp_view part = sp_bytes_view(in, w.len);
    c->blake2b(c->self, mac, MAC_LEN, sp_bytes_view(secret, SP_KEY_LEN), &part, 1);
}

void sp_cookie_make(const struct sp_crypto *c, const uint8_t secret[SP_KEY_LEN], const struct sp_addr *peer,
                    const uint8_t token_nonce[24], uint32_t now_s, uint8_t out[20])
{
    struct sp_writer w = sp_bytes_writer(out, TIME_LEN);
    sp_bytes_put32(&w, now_s);
    mac_of(c, secret, peer, token_nonce, now_s, out + TIME_LEN);
}

int sp_cookie_check(const struct sp_crypto *c, const struct sp_cookie_keys *k, const struct sp_addr *peer,
                    const uint8_t token_nonce[24], uint32_t now_s, const uint8_t cookie[20])
{
    struct sp_reader r = sp_bytes_reader(sp_bytes_view(cookie, TIME_LEN));
    uint32_t made_s = sp_bytes_u32(&r);
    if (made_s > now_s || now_s - made_s > COOKIE_LIFE_S)
        return SP_EAUTH;
    uint8_t mac[MAC_LEN];
    mac_of(c, k->now, peer, token_nonce, made_s, mac);
    if (c->compare(c->self, mac, cookie + TIME_LEN, MAC_LEN) == 0)
        return 0;
    mac_of(c, k->before, peer, token_nonce, made_s, mac);
    return c->compare(c->self, mac, cookie + TIME_LEN, MAC_LEN) == 0 ? 0 : SP_EAUTH;
}

void sp_cookie_cid(const struct sp_crypto *c, const struct sp_cid_keys *k, uint8_t worker,
                   const uint8_t noise[5], uint8_t cid[8])
{
    uint8_t hash[8];
    cid[0] = worker;
    memcpy(cid + 1, noise, CID_HEAD_LEN - 1);
    c->siphash(c->self, hash, k->check, sp_bytes_view(cid, CID_HEAD_LEN));
    memcpy(cid + CID_HEAD_LEN, hash, CID_CHECK_LEN);
}

bool sp_cookie_cid_is_ours(const struct sp_crypto *c, const struct sp_cid_keys *k, const uint8_t cid[8])
{
    uint8_t hash[8];
    c->siphash(c->self, hash, k->check, sp_bytes_view(cid, CID_HEAD_LEN));
    return c->compare(c->self, hash, cid + CID_HEAD_LEN, CID_CHECK_LEN) == 0;
}

void sp_cookie_reset(const struct sp_crypto *c, const struct sp_cid_keys *k, const uint8_t cid[8],
                     uint8_t out[16])
{
    struct sp_view part = sp_bytes_view(cid, CID_HEAD_LEN + CID_CHECK_LEN);
    c->blake2b(c->self, out, 16, sp_bytes_view(k->reset, SP_KEY_LEN), &part, 1);
}
