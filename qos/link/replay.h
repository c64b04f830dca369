/* Window of received packet numbers (docs/protocol.md, section 3; RFC 6479 for the ring of words).  Check
 * before opening a packet, mark after. */
#ifndef SP_REPLAY_H
#define SP_REPLAY_H

#include <sampan/types.h>

#define SP_REPLAY_WINDOW 1024

struct sp_replay {
    uint64_t largest; /* largest marked; valid when any */
    bool any;
    uint64_t bits[SP_REPLAY_WINDOW / 64];
};

void sp_replay_init(struct sp_replay *r);
/* Whether pn is new: 0, or SP_EREPLAY when marked before or below largest - 1023. */
int sp_replay_check(const struct sp_replay *r, uint64_t pn);
/* Marks pn, which sp_replay_check accepted. */
void sp_replay_mark(struct sp_replay *r, uint64_t pn);

#endif
