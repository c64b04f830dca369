/* A ring with a hash table over it. */
#include "register.h"

#include <string.h>

void sp_register_init(struct sp_register *r, struct sp_arena *a, size_t max, sp_time life)
{
    r->ring = sp_arena_take(a, max, sizeof *r->ring);
    r->first = r->n = 0;
    r->max = max;
    r->life = life;
    sp_table_init(&r->table, a, max);
}

void sp_register_expire(struct sp_register *r, sp_time now)
{
    while (r->n > 0 && r->ring[r->first].until <= now) {
        sp_table_remove(&r->table, &r->ring[r->first].hook);
        r->first = (r->first + 1) % r->max;
        r->n--;
    }
}

bool sp_register_is_full(const struct sp_register *r)
{
    return r->n == r->max;
}

struct sp_register_row *sp_register_find(struct sp_register *r, uint64_t hash, const uint8_t e[32])
{
    struct sp_hook *h = sp_table_first(&r->table, hash);
    for (; h != NULL; h = sp_table_next(h)) {
        struct sp_register_row *row = SP_TABLE_ITEM(h, struct sp_register_row, hook);
        if (memcmp(row->e, e, sizeof row->e) == 0)
            return row;
    }
    return NULL;
}

struct sp_register_row *sp_register_add(struct sp_register *r, uint64_t hash, const uint8_t e[32],
                                        sp_time now)
{
    if (sp_register_is_full(r))
        return NULL;
    struct sp_register_row *row = &r->ring[(r->first + r->n) % r->max];
    memset(row, 0, sizeof *row);
    memcpy(row->e, e, sizeof row->e);
    row->until = now + r->life;
    r->n++;
    sp_table_add(&r->table, &row->hook, hash);
    return row;
}
