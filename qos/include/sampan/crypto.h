/* The table of cryptographic functions that libsampan calls.  adapters/crypto_sodium.c is the shipped one.
 * Every function is pure: no state but `self`, no randomness, never calls back.  Lengths in bytes; outputs
 * are the caller's buffers; inputs are borrowed for the call.  Output may equal input where noted. */
#ifndef SAMPAN_CRYPTO_H
#define SAMPAN_CRYPTO_H

#include <sampan/types.h>

#define SP_KEY_LEN   32
#define SP_TAG_LEN   16
#define SP_NONCE_LEN 12

struct sp_crypto {
    void *self;
    /* X25519 (RFC 7748).  0, or SP_EAUTH when the result is all zero (a point of low order). */
    int (*x25519)(void *self, uint8_t out[32], const uint8_t secret[32], const uint8_t point[32]);
    /* X25519 with the base point: the public key of `secret`. */
    void (*x25519_base)(void *self, uint8_t out[32], const uint8_t secret[32]);
    /* ChaCha20-Poly1305 (RFC 8439).  dst takes text.n + 16 bytes; dst may equal text.p. */
    void (*seal)(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[12], struct sp_view ad,
                 struct sp_view text);
    /* dst takes sealed.n - 16 bytes; dst may equal sealed.p.  0, or SP_EAUTH (dst then unspecified), also
     * when sealed.n < 16. */
    int (*open)(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[12], struct sp_view ad,
                struct sp_view sealed);
    /* XChaCha20-Poly1305 with a 24-byte nonce, otherwise as seal and open. */
    void (*xseal)(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[24], struct sp_view ad,
                  struct sp_view text);
    int (*xopen)(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[24], struct sp_view ad,
                 struct sp_view sealed);
    /* SHA-256 and HMAC-SHA256 over the n parts joined. */
    void (*sha256)(void *self, uint8_t out[32], const struct sp_view *parts, size_t n);
    void (*hmac_sha256)(void *self, uint8_t out[32], struct sp_view key, const struct sp_view *parts,
                        size_t n);
    /* BLAKE2b (RFC 7693) with out_len 16..64 and a key of 0..64 bytes, over the n parts joined. */
    void (*blake2b)(void *self, uint8_t *out, size_t out_len, struct sp_view key, const struct sp_view *parts,
                    size_t n);
    /* SipHash-2-4 of one piece, the 8 result bytes in the order of the reference implementation. */
    void (*siphash)(void *self, uint8_t out[8], const uint8_t key[16], struct sp_view in);
    /* 0 if the n bytes are equal, in constant time. */
    int (*compare)(void *self, const uint8_t *a, const uint8_t *b, size_t n);
    /* Zeroes n bytes in a way the compiler keeps. */
    void (*wipe)(void *self, void *p, size_t n);
};

#endif
