/* Connect tokens and the connect blob (docs/protocol.md, section 2.1).  Pure: keys, random bytes and wall
 * time are arguments.  Not a session: a token only says who may open one. */
#ifndef SP_TOKEN_H
#define SP_TOKEN_H

#include <sampan/crypto.h>

#define SP_TOKEN_LEN       162
#define SP_TOKEN_PLAIN_LEN 120
#define SP_BLOB_ADDRS_MAX  8    /* addresses a blob reader keeps; further ones are skipped */
#define SP_BLOB_MAX        5081 /* bytes of the largest decoded blob: 255 addresses of IPv6 */

#define SP_RIGHT_SEND    1
#define SP_RIGHT_RECEIVE 2
#define SP_RIGHT_STREAMS 4
#define SP_RIGHT_GROUPS  8

struct sp_token {
    uint8_t psk[SP_KEY_LEN];
    uint8_t token_id[8];
    uint32_t issued, expires; /* unix seconds */
    uint32_t device;
    uint16_t rights; /* sum of SP_RIGHT_* */
    uint8_t class, uid_len;
    uint8_t uid[SP_USER_MAX];
};

/* The one or two token keys that live now; kid is their name in a token. */
struct sp_token_keys {
    struct {
        uint8_t kid, key[SP_KEY_LEN];
    } of[2];
    size_t n;
};

/* What an app gets from its back end: everything a client needs to connect but user and device. */
struct sp_blob {
    uint8_t token[SP_TOKEN_LEN];
    uint8_t psk[SP_KEY_LEN];
    uint8_t gateway_pk[SP_KEY_LEN];
    uint32_t issued, expires;
    size_t addrs_n;
    struct sp_addr addrs[SP_BLOB_ADDRS_MAX];
};

/* Seals a token under `key` named `kid` for the gateway with public key gateway_pk.  `t` is copied from.
 * SP_EINVAL: uid_len outside 1..64. */
int sp_token_seal(const struct sp_crypto *c, const struct sp_token *t, uint8_t kid,
                  const uint8_t key[SP_KEY_LEN], const uint8_t nonce[24],
                  const uint8_t gateway_pk[SP_KEY_LEN], uint8_t out[SP_TOKEN_LEN]);
/* Opens a token of SP_TOKEN_LEN bytes.  SP_EVERSION: other version; SP_EAUTH: unknown kid or forged;
 * SP_EMALFORMED: a field against step 5 of section 2.3 (padding, uid_len, rights); SP_EEXPIREDTOKEN: expires
 * <= now_s, issued > now_s + 60 or issued < not_before_s.  *out is wiped on error. */
int sp_token_open(const struct sp_crypto *c, const struct sp_token_keys *keys,
                  const uint8_t gateway_pk[SP_KEY_LEN], const uint8_t *token, uint32_t now_s,
                  uint32_t not_before_s, struct sp_token *out);
/* Writes the binary blob (before base64).  SP_EFULL: cap too small; SP_EINVAL: no or too many addresses, a
 * family other than 4 and 6, or port 0. */
int sp_token_blob_encode(const struct sp_blob *b, uint8_t *dst, size_t cap, size_t *len);
/* Reads a binary blob.  SP_EVERSION; SP_EMALFORMED: cut short, bytes left over, no address, an address as
 * above; *out is then unspecified. */
int sp_token_blob_decode(struct sp_view in, struct sp_blob *out);
/* base64url with padding and a final NUL, as the blob travels as text; decoding accepts missing padding and a
 * final newline, and refuses unused bits that are not zero.  SP_EFULL, SP_EMALFORMED. */
int sp_token_text_encode(struct sp_view in, char *dst, size_t cap);
int sp_token_text_decode(struct sp_view text, uint8_t *dst, size_t cap, size_t *len);

#endif
