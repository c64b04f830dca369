/* Open addressing with linear probing, at most half full. */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 16

void sp_rows_init(struct sp_rows *t, size_t row_len)
{
    *t = (struct sp_rows){.row_len = row_len};
}

void sp_rows_wipe(struct sp_rows *t)
{
    free(t->mem);
    free(t->index);
    *t = (struct sp_rows){.row_len = t->row_len};
}

static uint32_t place_of(struct sp_rows_key k, uint32_t cap)
{
    uint64_t h = (k.a ^ (k.b + 0x7f4a7c15U) * 0xff51afd7ed558ccdU) * 0x9e3779b97f4a7c15U;
    h ^= h >> 32;
    return (uint32_t)h & (cap - 1);
}

static const struct sp_rows_key *key_of(const struct sp_rows *t, uint32_t place)
{
    return sp_rows_at(t, place);
}

/* The slot of the index that has this key, or the free one where it belongs. */
static inline uint32_t slot_of(const struct sp_rows *t, struct sp_rows_key key)
{
    uint32_t slot = place_of(key, t->index_cap);
    for (; t->index[slot] != 0; slot = (slot + 1) & (t->index_cap - 1)) {
        const struct sp_rows_key *k = key_of(t, t->index[slot] - 1);
        if (k->a == key.a && k->b == key.b)
            break;
    }
    return slot;
}

static bool grow_index(struct sp_rows *t)
{
    uint32_t old_cap = t->index_cap, *old = t->index;
    uint32_t cap = old_cap == 0 ? 2 * FIRST_CAP : 2 * old_cap;
    uint32_t *index = calloc(cap, sizeof *index);
    if (index == NULL)
        return false;
    t->index = index;
    t->index_cap = cap;
    for (uint32_t i = 0; i < old_cap; i++) {
        if (old[i] != 0)
            index[slot_of(t, *key_of(t, old[i] - 1))] = old[i];
    }
    free(old);
    return true;
}

uint32_t sp_rows_add(struct sp_rows *t)
{
    if (t->n == t->cap) {
        uint32_t cap = t->cap == 0 ? FIRST_CAP : 2 * t->cap;
        uint8_t *mem = t->n >= SP_ROWS_MAX ? NULL : realloc(t->mem, cap * t->row_len);
        if (mem == NULL)
            return SP_ROWS_NONE;
        t->mem = mem;
        t->cap = cap;
    }
    memset(sp_rows_at(t, t->n), 0, t->row_len);
    return t->n++;
}

/* A row of zeroes with this key, which none has.  Rare: most rows are found. */
__attribute__((noinline)) static uint32_t make(struct sp_rows *t, struct sp_rows_key key)
{
    if (t->n >= t->index_cap / 2 && !grow_index(t))
        return SP_ROWS_NONE;
    uint32_t place = sp_rows_add(t);
    if (place == SP_ROWS_NONE)
        return SP_ROWS_NONE;
    memcpy(sp_rows_at(t, place), &key, sizeof key);
    t->index[slot_of(t, key)] = place + 1;
    return place;
}

uint32_t sp_rows_get(struct sp_rows *t, struct sp_rows_key key, bool *is_new)
{
    uint32_t found = t->index_cap == 0 ? 0 : t->index[slot_of(t, key)];
    *is_new = false;
    if (found != 0)
        return found - 1;
    uint32_t place = make(t, key);
    *is_new = place != SP_ROWS_NONE;
    return place;
}
