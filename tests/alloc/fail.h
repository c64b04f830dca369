/* malloc, calloc and realloc of the whole process, LMDB, libyaml and libc included, in place of the system's:
 * the n-th call after fail_arm gives NULL, once.  It also counts what is live, so that a block that nobody
 * frees is seen in every build.  Not a mutex: one thread at a time. */
#ifndef SP_ALLOC_FAIL_H
#define SP_ALLOC_FAIL_H

#include <stddef.h>

/* From now on the n-th call fails (0: none does); counting begins again. */
void fail_arm(unsigned n);
/* No call fails any more.  Returns how many there were since fail_arm. */
unsigned fail_disarm(void);
/* Blocks that are live.  With a sanitizer 0: it copies strings by itself and finds leaks by itself. */
long fail_live(void);

/* Memory of the test itself: never fails, and is not counted as a call; free and live as any other. */
void *spare_malloc(size_t n);
void *spare_calloc(size_t n, size_t size);
void *spare_realloc(void *p, size_t n);

#endif
