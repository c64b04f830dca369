/* Message ids that one session was refused, with the answer given, so that a late copy of a refused message
 * is never stored (docs/protocol.md, section 5.3 rule 2).  Rows of durable messages are the store's, not
 * ours. */
#ifndef SP_DEDUP_H
#define SP_DEDUP_H

#include <sampan/err.h>
#include <sampan/types.h>

#include "list.h"
#include "pool.h"

#define SP_DEDUP_MAX 256 /* refused ids of one session */

struct sp_dedup_row {
    struct sp_node node;
    struct sp_msgid msgid;
    uint8_t code; /* the answer */
};
struct sp_dedup {
    struct sp_list rows;
    struct sp_pool *pool; /* of struct sp_dedup_row; shared by all sessions of one owner */
    unsigned n;
};

/* Borrows the pool for the life of *d. */
void sp_dedup_init(struct sp_dedup *d, struct sp_pool *pool);
/* Gives every row back. */
void sp_dedup_wipe(struct sp_dedup *d);
/* Remembers a refusal; a known id keeps its first answer.  SP_EFULL: SP_DEDUP_MAX, or the pool is empty. */
int sp_dedup_add(struct sp_dedup *d, struct sp_msgid id, uint8_t code);
/* 0 and the answer given, or SP_EAGAIN: this id was not refused. */
int sp_dedup_find(const struct sp_dedup *d, struct sp_msgid id, uint8_t *code);

#endif
