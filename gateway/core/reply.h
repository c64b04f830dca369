/* Answers that belong to no session: ACCEPT, RETRY, RESET.  A short ring; when it is full the answer is
 * dropped, and the asker asks again. */
#ifndef SP_REPLY_H
#define SP_REPLY_H

#include <sampan/types.h>

#include "arena.h"

#define SP_REPLY_LEN_MAX 80

struct sp_reply_slot {
    struct sp_addr peer;
    uint8_t len;
    uint8_t bytes[SP_REPLY_LEN_MAX];
};
struct sp_reply {
    struct sp_reply_slot *ring;
    size_t first, n, max;
};

void sp_reply_init(struct sp_reply *r, struct sp_arena *a, size_t max);
/* Queues an answer of at most SP_REPLY_LEN_MAX bytes (copied).  False: the ring is full. */
bool sp_reply_push(struct sp_reply *r, const struct sp_addr *peer, struct sp_view bytes);
/* Moves the oldest answer into the datagram (cap >= SP_REPLY_LEN_MAX).  False: there is none. */
bool sp_reply_pop(struct sp_reply *r, struct sp_datagram *out);

#endif
