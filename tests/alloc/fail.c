#include "fail.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Who really allocates: a sanitizer's functions where there is one, else libc's. NOLINTBEGIN */
#define WEAK __attribute__((weak))
extern void *__interceptor_malloc(size_t n) WEAK;
extern void *__interceptor_calloc(size_t n, size_t size) WEAK;
extern void *__interceptor_realloc(void *p, size_t n) WEAK;
extern void __interceptor_free(void *p) WEAK;
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void __libc_free(void *p);
/* NOLINTEND */

static bool is_armed;
static unsigned calls, fail_at;
static long live;

void fail_arm(unsigned n)
{
    calls = 0;
    fail_at = n;
    is_armed = true;
}

unsigned fail_disarm(void)
{
    is_armed = false;
    return calls;
}

long fail_live(void)
{
    return __interceptor_malloc != NULL ? 0 : live;
}

static bool fails(void)
{
    if (!is_armed)
        return false;
    calls++;
    if (calls != fail_at)
        return false;
    errno = ENOMEM;
    return true;
}

static void *count(void *p)
{
    live += p != NULL;
    return p;
}

void *spare_malloc(size_t n)
{
    return count(__interceptor_malloc != NULL ? __interceptor_malloc(n) : __libc_malloc(n));
}

void *spare_calloc(size_t n, size_t size)
{
    return count(__interceptor_calloc != NULL ? __interceptor_calloc(n, size) : __libc_calloc(n, size));
}

/* As libc's, and n = 0 frees, as libev wants it. */
void *spare_realloc(void *p, size_t n)
{
    if (p == NULL)
        return n > 0 ? spare_malloc(n) : NULL;
    if (n == 0) {
        free(p);
        return NULL;
    }
    return __interceptor_realloc != NULL ? __interceptor_realloc(p, n) : __libc_realloc(p, n);
}

void *malloc(size_t n)
{
    return fails() ? NULL : spare_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : spare_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails() ? NULL : spare_realloc(p, n);
}

void free(void *p)
{
    live -= p != NULL;
    if (__interceptor_free != NULL)
        __interceptor_free(p);
    else
        __libc_free(p);
}
