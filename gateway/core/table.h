/* Intrusive hash table with a fixed number of chains.  It finds candidates of equal hash; whether one is the
 * element sought is the caller's comparison.  No growth, no allocation: the chains are memory of the caller.
 */
#ifndef SP_TABLE_H
#define SP_TABLE_H

#include <sampan/crypto.h>
#include <sampan/types.h>

#include "arena.h"

/* In the element. */
struct sp_hook {
    struct sp_hook *next;
    uint64_t hash;
};
struct sp_table {
    struct sp_hook **chains;
    uint64_t mask;
    size_t used;
};

/* The element of `type` whose member `member` is the hook. */
#define SP_TABLE_ITEM(hook, type, member) ((type *)(void *)((char *)(hook)-offsetof(type, member)))

/* Takes memory for as many chains as elements.  The arena tells whether it failed. */
void sp_table_init(struct sp_table *t, struct sp_arena *a, size_t elements_max);
void sp_table_add(struct sp_table *t, struct sp_hook *h, uint64_t hash);
/* Removes an element that is in this table. */
void sp_table_remove(struct sp_table *t, struct sp_hook *h);
/* First element with this hash, and the next one with the hash of `h`; NULL: none. */
struct sp_hook *sp_table_first(const struct sp_table *t, uint64_t hash);
struct sp_hook *sp_table_next(const struct sp_hook *h);

/* SipHash-2-4 under a random key: whoever chooses the bytes cannot choose the chain. */
uint64_t sp_table_hash(const struct sp_crypto *c, const uint8_t key[16], struct sp_view bytes);

#endif
