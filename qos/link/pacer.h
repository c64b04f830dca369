/* Spaces out bursts of more than 10 datagrams at 1.25 windows per round trip (docs/protocol.md, section 6,
 * rule 13).  A bucket of bytes, refilled by time; it delays, never drops. */
#ifndef SP_PACER_H
#define SP_PACER_H

#include <sampan/types.h>

struct sp_pacer {
    int64_t bytes; /* that may go now; below 0 after a datagram that was allowed to overdraw */
    sp_time at;    /* of the last refill */
};

void sp_pacer_init(struct sp_pacer *p, sp_time now);
/* Refills for the time passed and says whether a datagram may go now. */
bool sp_pacer_allows(struct sp_pacer *p, uint32_t cwnd, sp_time srtt, sp_time now);
/* A datagram of len bytes left. */
void sp_pacer_note_sent(struct sp_pacer *p, size_t len);
/* When sp_pacer_allows will be true. */
sp_time sp_pacer_next(const struct sp_pacer *p, uint32_t cwnd, sp_time srtt);

#endif
