/* The window of one link in bytes (docs/protocol.md, section 6, rule 12).  Steered by delay: loss alone is
 * taken for radio unless it rises.  Says how much may be in flight; counts nothing itself. */
#ifndef SP_CONGESTION_H
#define SP_CONGESTION_H

#include <sampan/types.h>

#define SP_CONGESTION_FREE 4 /* packets in flight that are never blocked */

struct sp_congestion {
    uint32_t cwnd;
    uint32_t acked;    /* bytes acknowledged in this round */
    sp_time round_at;  /* start of this round */
    sp_time round_min; /* smallest RTT sample of this round */
    uint32_t samples;  /* of this round */
    bool was_full;     /* the window was the limit at some time in this round */
    bool is_starting;  /* no queue was seen yet: the window may double in a round */
};

/* What an ACK brought. */
struct sp_congestion_ack {
    uint32_t bytes; /* of packets that counted as in flight */
    sp_time sample; /* RTT sample, 0: none */
    sp_time srtt, rttvar, min_rtt;
    bool loss_is_risen; /* sp_loss_is_risen */
};

void sp_congestion_init(struct sp_congestion *c, sp_time now);
/* Whether another packet may go, with so many bytes and packets in flight. */
bool sp_congestion_has_room(const struct sp_congestion *c, uint32_t bytes, uint32_t packets);
/* Something waited for the window, or half of it was used. */
void sp_congestion_note_full(struct sp_congestion *c);
/* Takes an ACK; once per round the window grows, stays or shrinks. */
void sp_congestion_note_acked(struct sp_congestion *c, const struct sp_congestion_ack *a, sp_time now);
/* 3 PTO of silence: the smallest window. */
void sp_congestion_note_silent(struct sp_congestion *c, sp_time now);
/* The path changed (rule 15): the first window again. */
void sp_congestion_note_moved(struct sp_congestion *c, sp_time now);

#endif
