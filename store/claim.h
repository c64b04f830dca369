/* Which session holds a mailbox: (mailbox, device) -> holder and fence, in memory, like the sessions
 * themselves. It refuses to know what a holder is.  Any thread: the table has its own lock. */
#ifndef SP_CLAIM_H
#define SP_CLAIM_H

#include "store.h"

struct sp_claim_table;

struct sp_claim {
    uint64_t fence; /* 0: none */
    uint32_t holder;
};

/* boot: number of this opening of the store, 1..2^32-1; fences are boot * 2^32 + counter, so they rise over
 * restarts. 0, or SP_EIO: no memory. */
int sp_claim_open(struct sp_claim_table **out, uint32_t boot);
/* Frees the table and sets *t to NULL; NULL is allowed. */
void sp_claim_close(struct sp_claim_table **t);

/* A new claim of (box, device) for claim->holder; sets claim->fence; *former is the claim it ends (fence 0:
 * none).  0, or SP_EBUSY: no memory, nothing changed. */
int sp_claim_take(struct sp_claim_table *t, struct sp_view box, uint32_t device, struct sp_claim *claim,
                  struct sp_claim *former);
/* Ends the claim with that fence.  0, or SP_EFENCED: it is not the live one. */
int sp_claim_drop(struct sp_claim_table *t, struct sp_view box, uint32_t device, uint64_t fence);
/* The live claim of (box, device); fence 0: none. */
struct sp_claim sp_claim_find(struct sp_claim_table *t, struct sp_view box, uint32_t device);
/* The newest live claim of any device of the mailbox; fence 0: none. */
struct sp_claim sp_claim_newest(struct sp_claim_table *t, struct sp_view box);

#endif
