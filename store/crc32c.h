/* CRC-32C (Castagnoli; RFC 3720, appendix B.4): finds damage on disk, is no defense against an attacker. */
#ifndef SP_CRC32C_H
#define SP_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` covers followed by the n bytes at p; start with 0. */
uint32_t sp_crc32c(uint32_t crc, const void *p, size_t n);
/* The same without special instructions. */
uint32_t sp_crc32c_portable(uint32_t crc, const void *p, size_t n);

#endif
