/* Noise_NKpsk0_25519_ChaChaPoly_SHA256 inside INIT and ACCEPT (docs/protocol.md, section 2.3; Noise
 * specification revision 34).  Pure byte work for both ends; timers and policy belong to connect.c and the
 * gateway's admit.c. */
#ifndef SP_HANDSHAKE_H
#define SP_HANDSHAKE_H

#include <sampan/crypto.h>

#include "token.h"

#define SP_INIT_MIN        233 /* without cookie and frames */
#define SP_COOKIE_LEN      20
#define SP_RETRY_LEN       29
#define SP_RESET_LEN       17
#define SP_ACCEPT_MIN      78
#define SP_INIT_FRAMES_MAX (SP_DATAGRAM_MAX - SP_INIT_MIN)

#define SP_FIRST_INIT   0x01 /* first bytes of datagrams, section 2.2 */
#define SP_FIRST_ACCEPT 0x02
#define SP_FIRST_RETRY  0x03
#define SP_FIRST_RESET  0x04
#define SP_FIRST_DATA   0x40 /* 0x41 in key phase 1 */

/* The fields of an INIT, borrowed from the datagram. */
struct sp_init {
    const uint8_t *e;        /* 32 */
    uint32_t time_s;         /* the client's estimate of gateway time */
    struct sp_view cookie;   /* n = 0 or SP_COOKIE_LEN */
    const uint8_t *token;    /* SP_TOKEN_LEN */
    struct sp_view sealed;   /* frames and tag */
    const uint8_t *proof;    /* 16 */
    struct sp_view datagram; /* all of it */
};
/* What an ACCEPT says. */
struct sp_accept {
    uint8_t cid[8], reset[16];
    bool early;
    uint32_t time_s;
    struct sp_view frames; /* borrowed from the datagram, opened in place */
};
struct sp_session_keys {
    uint8_t up[SP_KEY_LEN], down[SP_KEY_LEN];
};

/* Noise symmetric state between the two messages; wipe after use. */
struct sp_handshake {
    const struct sp_crypto *crypto;
    uint8_t ck[32], h[32], k[32];
    uint8_t e_secret[32], e_public[32];
    uint8_t peer_e[32]; /* gateway: the client's e */
};

/* What a client puts into an INIT. */
struct sp_init_fields {
    const uint8_t *e_secret;   /* 32 fresh random bytes for every different INIT */
    const uint8_t *gateway_pk; /* 32 */
    const uint8_t *psk;        /* 32 */
    const uint8_t *token;      /* SP_TOKEN_LEN */
    uint32_t time_s;
    struct sp_view cookie; /* n = 0: none; frames are then padded with PAD so that the INIT has 1200 bytes */
    struct sp_view frames;
};

/* Client: writes a whole INIT into dst (cap >= SP_DATAGRAM_MAX) and keeps in *h what ACCEPT needs.
 * SP_EINVAL: cookie length, frames over the room; SP_EAUTH: the gateway key is of low order. */
int sp_handshake_init(struct sp_handshake *h, const struct sp_crypto *c, const struct sp_init_fields *f,
                      uint8_t *dst, size_t cap, size_t *len);
/* Client: opens an ACCEPT in place.  SP_EMALFORMED, SP_EAUTH; *h is unchanged by a failed try, so that a
 * later genuine ACCEPT still opens.  On success the caller wipes *h. */
int sp_handshake_finish(const struct sp_handshake *h, uint8_t *datagram, size_t len, struct sp_accept *out,
                        struct sp_session_keys *keys);

/* Gateway, step 1: splits an INIT into fields.  SP_EVERSION; SP_EMALFORMED: lengths, clen, or under
 * SP_DATAGRAM_MAX bytes without cookie.  No crypto. */
int sp_handshake_parse(struct sp_view datagram, struct sp_init *out);
/* Gateway, step 6: 0, or SP_EAUTH when the proof is not of this psk. */
int sp_handshake_prove(const struct sp_crypto *c, const struct sp_init *in, const uint8_t psk[32]);
/* Gateway, step 8: one X25519, then opens the frames into `frames` (cap >= in->sealed.n - 16).  SP_EAUTH. */
int sp_handshake_open(struct sp_handshake *h, const struct sp_crypto *c, const struct sp_init *in,
                      const uint8_t gateway_secret[32], const uint8_t gateway_pk[32], const uint8_t psk[32],
                      uint8_t *frames, size_t cap, size_t *frames_len);
/* Gateway: writes the ACCEPT and the session keys.  h comes from sp_handshake_open; a->frames is what to seal
 * (n may be 0).  SP_EFULL: cap; SP_EAUTH: e of low order.  The caller wipes *h afterwards. */
int sp_handshake_accept(struct sp_handshake *h, const uint8_t e_secret[32], const struct sp_accept *a,
                        uint8_t *dst, size_t cap, size_t *len, struct sp_session_keys *keys);

#endif
