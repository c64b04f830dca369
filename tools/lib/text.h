/* Values as people write them: numbers, durations, sizes, hexadecimal; and the nearest known word for a wrong
 * one. Pure functions of their arguments. */
#ifndef SP_TEXT_H
#define SP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SP_TEXT_VALUE_MAX 32 /* bytes, end included, that each print function below needs at most */

/* Decimal digits only: no sign, no blank, no leading "0x".  Leading zeros are decimal zeros.  True when the
 * whole text is a number within min..max; *out is untouched otherwise. */
bool sp_text_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* A duration: a number and one of us, ms, s, min, h, d; "0" needs no unit.  *out in microseconds, at most 100
 * years. */
bool sp_text_duration(const char *text, int64_t *out_us);

/* A size: a number and one of B, KiB, MiB, GiB, TiB; "0" needs no unit. */
bool sp_text_size(const char *text, uint64_t *out_bytes);

/* The shortest text that the parsers above read back as the same value.  cap >= SP_TEXT_VALUE_MAX. */
void sp_text_print_duration(int64_t us, char *dst, size_t cap);
void sp_text_print_size(uint64_t bytes, char *dst, size_t cap);

/* Hexadecimal, lower case when written, both cases when read.  encode: dst takes 2 * n + 1 bytes.  decode:
 * true when text is exactly 2 * n digits. */
void sp_text_hex_encode(const uint8_t *src, size_t n, char *dst);
bool sp_text_hex_decode(const char *text, uint8_t *dst, size_t n);

/* The word of the list that takes the fewest single-letter changes (insert, delete, replace, swap of
 * neighbors) from `word`, if that is at most a third of its length and at least one is allowed; else NULL. */
const char *sp_text_nearest(const char *word, const char *const *words, size_t n);

#endif
