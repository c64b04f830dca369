/* A growing table of rows of one size, found by a key of two numbers with which each row begins.  Rows are
 * named by their place, 0, 1, 2..., which never changes; nothing is removed. */
#ifndef SP_ROWS_H
#define SP_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SP_ROWS_MAX  (UINT32_MAX / 4) /* rows of one table */
#define SP_ROWS_NONE UINT32_MAX       /* no row */

struct sp_rows_key {
    uint64_t a, b;
};
struct sp_rows {
    uint8_t *mem;
    uint32_t *index; /* place + 1 by hash; 0: free */
    size_t row_len;
    uint32_t n, cap, index_cap; /* index_cap: a power of two, 0 at first */
};

/* row_len: bytes of a row that begins with a struct sp_rows_key. */
void sp_rows_init(struct sp_rows *t, size_t row_len);
void sp_rows_wipe(struct sp_rows *t);
/* Place of the row with this key; makes a row of zeroes if there is none (*is_new).  SP_ROWS_NONE: no memory.
 */
uint32_t sp_rows_get(struct sp_rows *t, struct sp_rows_key key, bool *is_new);
/* Adds a row that no key finds.  SP_ROWS_NONE: no memory. */
uint32_t sp_rows_add(struct sp_rows *t);
/* The row, until the next get or add. */
static inline void *sp_rows_at(const struct sp_rows *t, uint32_t place)
{
    return t->mem + (size_t)place * t->row_len;
}

#endif
