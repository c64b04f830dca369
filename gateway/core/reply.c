/* A ring of small datagrams. */
#include "reply.h"

#include "bug.h"

#include <string.h>

void sp_reply_init(struct sp_reply *r, struct sp_arena *a, size_t max)
{
    r->ring = sp_arena_take(a, max, sizeof *r->ring);
    r->first = r->n = 0;
    r->max = max;
}

bool sp_reply_push(struct sp_reply *r, const struct sp_addr *peer, struct sp_view bytes)
{
    SP_ASSERT(bytes.n <= SP_REPLY_LEN_MAX);
    if (r->n == r->max)
        return false;
    struct sp_reply_slot *slot = &r->ring[(r->first + r->n) % r->max];
    slot->peer = *peer;
    slot->len = (uint8_t)bytes.n;
    memcpy(slot->bytes, bytes.p, bytes.n);
    r->n++;
    return true;
}

bool sp_reply_pop(struct sp_reply *r, struct sp_datagram *out)
{
    if (r->n == 0)
        return false;
    const struct sp_reply_slot *slot = &r->ring[r->first];
    SP_ASSERT(out->cap >= slot->len);
    out->peer = slot->peer;
    out->len = slot->len;
    memcpy(out->p, slot->bytes, slot->len);
    r->first = (r->first + 1) % r->max;
    r->n--;
    return true;
}
