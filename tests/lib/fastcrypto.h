/* A table of functions in place of cryptography: a few multiplications each, so that a simulation spends its
 * time in the protocol.  What the protocol needs of them holds: the ends agree, another key, nonce, header or
 * byte gives another tag, sealed bytes are not the text.  It keeps no secret from anybody: for simulations
 * only. */
#ifndef SP_FASTCRYPTO_H
#define SP_FASTCRYPTO_H

#include <sampan/crypto.h>

const struct sp_crypto *sp_fastcrypto(void);

/* 64 bits of the bytes, the same on every machine of our kind and with every compiler. */
uint64_t sp_fastcrypto_hash(uint64_t seed, struct sp_view bytes);

#endif
