/* The shipped table of cryptographic functions, on libsodium (1.0.18 or later).  Outside libsampan: libsodium
 * may call the system. */
#ifndef SP_CRYPTO_SODIUM_H
#define SP_CRYPTO_SODIUM_H

#include <sampan/crypto.h>

/* The table; static, shared by all threads.  NULL when libsodium cannot be initialized.  May be called again,
 * from any thread. */
const struct sp_crypto *sp_crypto_sodium(void);

#endif
