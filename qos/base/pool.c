/* Fixed slots: a stack of slots given back, threaded through the slots themselves, over a row of slots never
 * taken. */
#include "pool.h"

#include "bug.h"

#include <stdint.h>
#include <string.h>

static size_t rounded(size_t slot_len)
{
    const size_t align = _Alignof(max_align_t);
    SP_STATIC_ASSERT(sizeof(void *) <= _Alignof(max_align_t), "a vacant slot holds the link to the next");
    if (slot_len == 0)
        return align;
    SP_ASSERT(slot_len <= SIZE_MAX - align);
    return (slot_len + align - 1) / align * align;
}

size_t sp_pool_footprint(size_t slot_len, size_t slots_max)
{
    size_t len = rounded(slot_len);
    SP_ASSERT(slots_max <= SIZE_MAX / len);
    return len * slots_max;
}

void sp_pool_init(struct sp_pool *p, void *mem, size_t slot_len, size_t slots_max)
{
    p->vacant = NULL;
    p->mem = mem;
    p->touched = 0;
    p->slot_len = rounded(slot_len);
    p->slots_max = slots_max;
    p->used = 0;
}

void *sp_pool_take(struct sp_pool *p)
{
    void *slot = p->vacant;
    if (slot != NULL) {
        memcpy(&p->vacant, slot, sizeof p->vacant);
    } else {
        if (p->touched == p->slots_max)
            return NULL;
        slot = p->mem + p->touched++ * p->slot_len;
    }
    memset(slot, 0, p->slot_len);
    p->used++;
    return slot;
}

void sp_pool_give(struct sp_pool *p, void *slot)
{
    SP_ASSERT(slot != NULL);
    SP_ASSERT(p->used > 0);
    memcpy(slot, &p->vacant, sizeof p->vacant);
    p->vacant = slot;
    p->used--;
}
