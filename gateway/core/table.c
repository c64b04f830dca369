/* Chains of hooks; the newest element first. */
#include "table.h"

#include "bug.h"

#include <string.h>

#define CHAINS_MIN 16

void sp_table_init(struct sp_table *t, struct sp_arena *a, size_t elements_max)
{
    size_t n = CHAINS_MIN; /* a power of two */
    while (n < elements_max)
        n *= 2;
    t->chains = sp_arena_take(a, n, sizeof(struct sp_hook *));
    t->mask = n - 1;
    t->used = 0;
}

void sp_table_add(struct sp_table *t, struct sp_hook *h, uint64_t hash)
{
    struct sp_hook **chain = &t->chains[hash & t->mask];
    h->hash = hash;
    h->next = *chain;
    *chain = h;
    t->used++;
}

void sp_table_remove(struct sp_table *t, struct sp_hook *h)
{
    struct sp_hook **at = &t->chains[h->hash & t->mask];
    while (*at != h) {
        SP_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = h->next;
    h->next = NULL;
    t->used--;
}

static struct sp_hook *same(struct sp_hook *h, uint64_t hash)
{
    while (h != NULL && h->hash != hash)
        h = h->next;
    return h;
}

struct sp_hook *sp_table_first(const struct sp_table *t, uint64_t hash)
{
    return same(t->chains[hash & t->mask], hash);
}

struct sp_hook *sp_table_next(const struct sp_hook *h)
{
    return same(h->next, h->hash);
}

uint64_t sp_table_hash(const struct sp_crypto *c, const uint8_t key[16], struct sp_view bytes)
{
    uint8_t out[8];
    uint64_t hash;
    c->siphash(c->self, out, key, bytes);
    memcpy(&hash, out, sizeof hash);
    return hash;
}
