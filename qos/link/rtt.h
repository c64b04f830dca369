/* Round-trip estimates of one link and the waiting times that follow from them (docs/protocol.md, section 6,
 * rules 3, 4 and 6; the smoothing is that of RFC 6298).  Knows no packets: it is told samples and asked for
 * times. */
#ifndef SP_RTT_H
#define SP_RTT_H

#include <sampan/types.h>

#define SP_RTT_START         (250 * SP_MS) /* srtt before the first sample */
#define SP_RTT_VAR_START     (60 * SP_MS)
#define SP_RTT_WAIT_MAX      (3 * SP_SECOND)
#define SP_RTT_TOLERANCE_MAX 8 /* eighths: a packet may come a whole round trip late */

struct sp_rtt {
    sp_time srtt, rttvar, latest;
    sp_time peer_delay;  /* how long the peer may keep an ACK back */
    sp_time pto;         /* of rule 4, made anew whenever srtt, rttvar, peer_delay or is_stale changes */
    sp_time min_of[2];   /* smallest sample of the running and of the previous 5 minutes; 0: none */
    sp_time min_since;   /* start of the running 5 minutes */
    sp_time spurious_at; /* when the tolerance last grew */
    uint8_t tolerance;   /* eighths of a round trip by which a packet may be overtaken */
    bool has_sample, is_stale; /* stale: silent for 10 s, so the estimates may be wrong */
};

/* Start values of rule 3; `now` starts the window of the minimum. */
void sp_rtt_init(struct sp_rtt *r, sp_time peer_delay, sp_time now);
/* Takes the time from a packet's leaving to its ACK; `delay` is how long the peer says it kept the ACK. */
void sp_rtt_sample(struct sp_rtt *r, sp_time sample, sp_time delay, sp_time now);
/* Smallest sample of the last 5 to 10 minutes; 0 before the first one. */
sp_time sp_rtt_min(const struct sp_rtt *r);
/* PTO of rule 4, without back-off. */
static inline sp_time sp_rtt_pto(const struct sp_rtt *r)
{
    return r->pto;
}
/* PTO stretched for the n-th probe without an ACK (factors 1, 1, 1, 1.5, 2, 3, 4), at most SP_RTT_WAIT_MAX.
 */
sp_time sp_rtt_wait(const struct sp_rtt *r, unsigned backoff);
/* Age at which a packet sent before an acknowledged one counts as lost (rule 6). */
sp_time sp_rtt_lost_after(const struct sp_rtt *r);
/* A packet held for lost was acknowledged: the tolerance doubles, once per round trip. */
void sp_rtt_note_spurious(struct sp_rtt *r, sp_time now);
/* The peer says how long it may keep an ACK back. */
void sp_rtt_note_delay(struct sp_rtt *r, sp_time peer_delay);
/* Nothing was sent for 10 s: the next wait is 1.5 PTO, and its sample says nothing about variation. */
void sp_rtt_note_idle(struct sp_rtt *r);
/* The path changed (rule 15): variation doubles, the minimum begins anew. */
void sp_rtt_note_moved(struct sp_rtt *r, sp_time now);

#endif
