/* How many packets get lost, in both directions (docs/protocol.md, section 6: p; section 4: the loss byte of
 * ACK). Shares are in 1/65536.  Estimates only: nothing here decides what is sent. */
#ifndef SP_LOSS_H
#define SP_LOSS_H

#include <sampan/types.h>

#define SP_LOSS_ONE 65536u

struct sp_loss {
    /* Outbound: two averages over resolved packets, and the mean of p over about 10 s. */
    uint32_t fast, slow, baseline;
    uint32_t resolved; /* packets judged so far, up to a bound */
    sp_time baseline_at;
    /* Inbound: numbers that should have come and those that came, in the window being counted. */
    uint64_t largest;
    uint32_t expected, received, inbound;
};

/* p starts at 5 %. */
void sp_loss_init(struct sp_loss *l, sp_time now);
/* One of our packets was acknowledged or is held for lost. */
void sp_loss_note_resolved(struct sp_loss *l, bool is_lost, sp_time now);
/* A packet of the peer with number pn authenticated. */
void sp_loss_note_received(struct sp_loss *l, uint64_t pn);
/* p: the larger of the two outbound averages. */
uint32_t sp_loss_p(const struct sp_loss *l);
/* Whether p is above 5 % and above twice what it was over the last 10 s (rule 12). */
bool sp_loss_is_risen(const struct sp_loss *l);
/* Inbound loss in 1/255, for our ACKs. */
uint8_t sp_loss_inbound(const struct sp_loss *l);
/* The path changed (rule 15): p is halved. */
void sp_loss_note_moved(struct sp_loss *l);

#endif
