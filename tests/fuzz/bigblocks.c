/* calloc and free of the code under test (linked with --wrap) for blocks so large that a sanitizer takes
 * longer to clear them than a run takes: tables sized for a million sessions, of which a run touches a few
 * pages.  Such blocks are maps that are emptied by free and kept for the next run; all others are the
 * allocator's. */
#include "fuzz.h"

#include <sys/mman.h>

enum { BIG = 65536, BLOCKS_MAX = 64 };

/* The linker asks for these names.  NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming)
 */
void *__real_calloc(size_t n, size_t size);
void __real_free(void *p);
void *__wrap_calloc(size_t n, size_t size);
void __wrap_free(void *p);
/* NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming) */

static struct block {
    void *p;
    size_t len;
    bool is_used;
} blocks[BLOCKS_MAX];

void *__wrap_calloc(size_t n, size_t size)
{
    if (size == 0 || n < BIG / size || n > SIZE_MAX / size)
        return __real_calloc(n, size);
    size_t len = n * size, i = 0;
    while (i < BLOCKS_MAX && blocks[i].p != NULL && (blocks[i].is_used || blocks[i].len != len))
        i++;
    FUZZ_CHECK(i < BLOCKS_MAX);
    if (blocks[i].p == NULL) {
        void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        FUZZ_CHECK(p != MAP_FAILED);
        blocks[i] = (struct block){.p = p, .len = len};
    }
    blocks[i].is_used = true;
    return blocks[i].p;
}

void __wrap_free(void *p)
{
    size_t i = 0;
    while (i < BLOCKS_MAX && (blocks[i].p == NULL || blocks[i].p != p))
        i++;
    if (i == BLOCKS_MAX) {
        __real_free(p);
        return;
    }
    FUZZ_CHECK(blocks[i].is_used);
    FUZZ_CHECK(madvise(p, blocks[i].len, MADV_DONTNEED) == 0); /* zeros again */
    blocks[i].is_used = false;
}
