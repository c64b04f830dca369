/* A hash table with chains.  Recipients are the app's own choice, so the hash need not resist anybody. */
#include "conversation.h"

#include "bug.h"

#include <string.h>

static size_t buckets_len(size_t max)
{
    const size_t align = _Alignof(max_align_t);
    return (max * sizeof(struct sp_conversation *) + align - 1) / align * align;
}

size_t sp_conversation_footprint(size_t max)
{
    return buckets_len(max) + sp_pool_footprint(sizeof(struct sp_conversation), max);
}

void sp_conversation_init(struct sp_conversations *t, void *mem, size_t max)
{
    SP_ASSERT(max > 0);
    SP_ASSERT((max & (max - 1)) == 0);
    t->buckets = mem;
    t->mask = max - 1;
    for (size_t i = 0; i < max; i++)
        t->buckets[i] = NULL;
    sp_pool_init(&t->pool, (uint8_t *)mem + buckets_len(max), sizeof(struct sp_conversation), max);
}

/* FNV-1a (Fowler, Noll, Vo; 32 bits). */
static size_t bucket(const struct sp_conversations *t, struct sp_view to)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < to.n; i++)
        h = (h ^ to.p[i]) * 16777619U;
    return h & t->mask;
}

struct sp_conversation *sp_conversation_enter(struct sp_conversations *t, struct sp_view to)
{
    SP_ASSERT(to.n <= SP_USER_MAX);
    struct sp_conversation **head = &t->buckets[bucket(t, to)];
    struct sp_conversation *c = *head;
    while (c != NULL && (c->to_len != to.n || memcmp(c->to, to.p, to.n) != 0))
        c = c->hash_next;
    if (c == NULL) {
        c = sp_pool_take(&t->pool);
        if (c == NULL)
            return NULL;
        sp_list_init(&c->unanswered);
        sp_list_init(&c->queued);
        c->to_len = (uint8_t)to.n;
        memcpy(c->to, to.p, to.n);
        c->hash_next = *head;
        *head = c;
    }
    c->users++;
    return c;
}

void sp_conversation_leave(struct sp_conversations *t, struct sp_conversation *c)
{
    SP_ASSERT(c->users > 0);
    if (--c->users > 0)
        return;
    SP_ASSERT(sp_list_is_empty(&c->unanswered));
    sp_list_remove(&c->in_turn);
    struct sp_conversation **at = &t->buckets[bucket(t, (struct sp_view){c->to, c->to_len})];
    while (*at != c)
        at = &(*at)->hash_next;
    *at = c->hash_next;
    sp_pool_give(&t->pool, c);
}
