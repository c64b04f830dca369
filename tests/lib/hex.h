/* Hexadecimal text -> bytes, for tables of test vectors.  Not a parser of foreign input: a table with a wrong
 * digit fails its test. */
#ifndef SP_TEST_HEX_H
#define SP_TEST_HEX_H

#include <criterion/criterion.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline uint8_t sp_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (uint8_t)(c - '0');
    cr_assert(c >= 'a' && c <= 'f', "not a hexadecimal digit: %c", c);
    return (uint8_t)(c - 'a' + 10);
}
/* Bytes of `text` into dst (cap bytes); spaces are skipped, "-" stands for none.  Returns how many. */
static inline size_t sp_hex_read(const char *text, uint8_t *dst, size_t cap)
{
    size_t n = 0;
    if (strcmp(text, "-") == 0)
        return 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] == ' ')
            continue;
        cr_assert_lt(n, cap, "hexadecimal text too long");
        dst[n++] = (uint8_t)(sp_hex_digit(text[i]) << 4 | sp_hex_digit(text[i + 1]));
        i++;
    }
    return n;
}
/* The same bytes in a block of exactly their size, so that a sanitizer sees every read past the end.  The
 * caller frees it. */
static inline uint8_t *sp_hex_exact(const uint8_t *p, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);
    cr_assert_not_null(copy);
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

#endif
