#include "crc32c.h"

#include <criterion/criterion.h>
#include <string.h>

/* RFC 3720, appendix B.4. */
Test(crc32c, published_vectors)
{
    uint8_t b[32];
    memset(b, 0, sizeof(b));
    cr_assert_eq(sp_crc32c(0, b, 32), 0x8a9136aaU);
    memset(b, 0xff, sizeof(b));
    cr_assert_eq(sp_crc32c(0, b, 32), 0x62a8ab43U);
    for (uint8_t i = 0; i < 32; i++)
        b[i] = i;
    cr_assert_eq(sp_crc32c(0, b, 32), 0x46dd794eU);
    for (uint8_t i = 0; i < 32; i++)
        b[i] = (uint8_t)(31 - i);
    cr_assert_eq(sp_crc32c(0, b, 32), 0x113fdb5cU);
    cr_assert_eq(sp_crc32c(0, "123456789", 9), 0xe3069283U);
}

Test(crc32c, both_ways_agree_at_every_length_and_split)
{
    uint8_t b[70];
    for (size_t i = 0; i < sizeof(b); i++)
        b[i] = (uint8_t)(i * 31 + 7);
    for (size_t n = 0; n <= sizeof(b); n++) {
        uint32_t whole = sp_crc32c_portable(0, b, n);
        cr_assert_eq(sp_crc32c(0, b, n), whole);
        size_t half = n / 3;
        cr_assert_eq(sp_crc32c(sp_crc32c(0, b, half), b + half, n - half), whole);
    }
}
