#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 64 /* bytes of a word that sp_text_nearest compares */

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit durations[] = {
    {"d", 86400000000U}, {"h", 3600000000U}, {"min", 60000000U}, {"s", 1000000U}, {"ms", 1000U}, {"us", 1U},
};
static const struct unit sizes[] = {
    {"TiB", (uint64_t)1 << 40}, {"GiB", 1U << 30}, {"MiB", 1U << 20}, {"KiB", 1U << 10}, {"B", 1U},
};
#define DURATIONS_N (sizeof durations / sizeof durations[0])
#define SIZES_N     (sizeof sizes / sizeof sizes[0])

#define DURATION_MAX (UINT64_C(36525) * 86400000000U) /* 100 years */

/* Reads digits from the front.  The rest of the text, or NULL without a digit or beyond 64 bits. */
static const char *leading_number(const char *text, uint64_t *out)
{
    uint64_t v = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return NULL;
        v = v * 10 + digit;
    }
    if (p == text)
        return NULL;
    *out = v;
    return p;
}

bool sp_text_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    const char *rest = leading_number(text, &v);
    if (rest == NULL || *rest != '\0' || v < min || v > max)
        return false;
    *out = v;
    return true;
}

/* A number and the name of a unit; a lone zero is zero of any unit. */
static bool with_unit(const char *text, const struct unit *units, size_t n, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    const char *rest = leading_number(text, &v);
    if (rest == NULL)
        return false;
    if (*rest == '\0' && v == 0) {
        *out = 0;
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rest, units[i].name) != 0)
            continue;
        if (v > max / units[i].factor)
            return false;
        *out = v * units[i].factor;
        return true;
    }
    return false;
}

bool sp_text_duration(const char *text, int64_t *out_us)
{
    uint64_t v = 0;
    if (!with_unit(text, durations, DURATIONS_N, DURATION_MAX, &v))
        return false;
    *out_us = (int64_t)v;
    return true;
}

bool sp_text_size(const char *text, uint64_t *out_bytes)
{
    return with_unit(text, sizes, SIZES_N, UINT64_MAX, out_bytes);
}

/* The largest unit that divides v without rest; tables go from large to small and end with 1. */
static void print_with_unit(uint64_t v, const struct unit *units, size_t n, char *dst, size_t cap)
{
    size_t i = 0;
    if (v == 0) {
        (void)snprintf(dst, cap, "0");
        return;
    }
    while (i + 1 < n && v % units[i].factor != 0)
        i++;
    (void)snprintf(dst, cap, "%" PRIu64 "%s", v / units[i].factor, units[i].name);
}

void sp_text_print_duration(int64_t us, char *dst, size_t cap)
{
    print_with_unit((uint64_t)us, durations, DURATIONS_N, dst, cap);
}

void sp_text_print_size(uint64_t bytes, char *dst, size_t cap)
{
    print_with_unit(bytes, sizes, SIZES_N, dst, cap);
}

void sp_text_hex_encode(const uint8_t *src, size_t n, char *dst)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = digits[src[i] >> 4];
        dst[2 * i + 1] = digits[src[i] & 15];
    }
    dst[2 * n] = '\0';
}

/* Value of a hexadecimal digit, or -1. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool sp_text_hex_decode(const char *text, uint8_t *dst, size_t n)
{
    if (strlen(text) != 2 * n)
        return false;
    for (size_t i = 0; i < 2 * n; i++)
        if (hex_value(text[i]) < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(hex_value(text[2 * i]) * 16 + hex_value(text[2 * i + 1]));
    return true;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Changes that make b of a (optimal string alignment: a swap of neighbors counts once), by three rows of the
 * usual table. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned cost = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b_len];
}

const char *sp_text_nearest(const char *word, const char *const *words, size_t n)
{
    const char *best = NULL;
    size_t len = strlen(word);
    unsigned limit = len / 3 > 1 ? (unsigned)(len / 3) : 1;
    if (len > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other_len = strlen(words[i]);
        unsigned d = 0;
        if (other_len > WORD_MAX)
            continue;
        d = distance(word, len, words[i], other_len);
        if (d <= limit) {
            best = words[i];
            limit = d > 0 ? d - 1 : 0;
        }
        if (d == 0)
            break;
    }
    return best;
}
