/* Stateless proof of address, connection ids and stateless resets (docs/protocol.md, sections 2.3 step 3
 * and 2.4). Pure functions of keys given by the gateway. */
#ifndef SP_COOKIE_H
#define SP_COOKIE_H

#include <sampan/crypto.h>

/* Two secrets live; the caller rotates every 120 s. */
struct sp_cookie_keys {
    uint8_t now[SP_KEY_LEN], before[SP_KEY_LEN];
};
/* Per-node keys from the key file: cid check (SipHash) and reset token (BLAKE2b). */
struct sp_cid_keys {
    uint8_t check[16], reset[SP_KEY_LEN];
};

/* The 20-byte cookie of this address and token nonce at gateway time now_s. */
void sp_cookie_make(const struct sp_crypto *c, const uint8_t secret[SP_KEY_LEN], const struct sp_addr *peer,
                    const uint8_t token_nonce[24], uint32_t now_s, uint8_t out[20]);
/* 0, or SP_EAUTH: other address, other token, older than 10 s, from the future, or forged. */
int sp_cookie_check(const struct sp_crypto *c, const struct sp_cookie_keys *k, const struct sp_addr *peer,
                    const uint8_t token_nonce[24], uint32_t now_s, const uint8_t cookie[20]);
/* A connection id from the worker's number and 5 random bytes; its last two bytes are the check. */
void sp_cookie_cid(const struct sp_crypto *c, const struct sp_cid_keys *k, uint8_t worker,
                   const uint8_t noise[5], uint8_t cid[8]);
/* Whether a connection id carries our check. */
bool sp_cookie_cid_is_ours(const struct sp_crypto *c, const struct sp_cid_keys *k, const uint8_t cid[8]);
/* The reset token of a connection id. */
void sp_cookie_reset(const struct sp_crypto *c, const struct sp_cid_keys *k, const uint8_t cid[8],
                     uint8_t out[16]);

#endif
