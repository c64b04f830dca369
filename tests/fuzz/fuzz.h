/* What every fuzz target shares: libFuzzer's entry point, a check that ends the run, copies of exactly their
 * size so that a sanitizer sees every read past the end, and a story that FUZZ_STORY=1 prints.  Knows nothing
 * of Sampan. */
#ifndef SP_FUZZ_H
#define SP_FUZZ_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One run.  Same bytes, same run: targets use no clock, no address and no state of an earlier run. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); // NOLINT(readability-identifier-naming)

/* A promise of the code under test. */
#define FUZZ_CHECK(cond) ((cond) ? (void)0 : fuzz_fail(#cond, __FILE__, __LINE__))

static inline _Noreturn void fuzz_fail(const char *cond, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: broken promise: %s\n", file, line, cond);
    abort();
}

/* One line of the story. */
__attribute__((format(printf, 1, 2))) static inline void fuzz_tell(const char *format, ...)
{
    static int is_wanted = -1;
    if (is_wanted < 0)
        is_wanted = getenv("FUZZ_STORY") != NULL;
    if (is_wanted == 0)
        return;
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

/* A block of exactly n bytes; the caller frees it. */
static inline uint8_t *fuzz_block(size_t n)
{
    uint8_t *block = malloc(n > 0 ? n : 1);
    if (block == NULL)
        abort();
    return block;
}

static inline uint8_t *fuzz_copy(const uint8_t *p, size_t n)
{
    uint8_t *copy = fuzz_block(n);
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

#endif
