/* Received packet numbers -> ACK frame (docs/protocol.md, section 4 and rule 1 of section 6).  Keeps the
 * newest ranges only; never decides when an ACK is due. */
#ifndef SP_ACKSET_H
#define SP_ACKSET_H

#include "wire.h"

#define SP_ACKSET_RANGES_MAX 32

struct sp_ackset {
    struct {
        uint64_t lo, hi;
    } ranges[SP_ACKSET_RANGES_MAX]; /* newest first, disjoint, not touching */
    size_t n;
    sp_time largest_at; /* arrival of the largest number */
};

void sp_ackset_init(struct sp_ackset *a);
/* Notes the arrival of pn; a full set forgets its oldest range.  A repeated pn changes nothing. */
void sp_ackset_add(struct sp_ackset *a, uint64_t pn, sp_time now);
/* Builds the ACK of what was received; loss is the inbound loss in 1/255.  SP_EAGAIN: nothing received. */
int sp_ackset_frame(const struct sp_ackset *a, uint8_t loss, sp_time now, struct sp_frame *out);
/* Expands a received ACK into at most 1 + SP_ACK_GAPS_MAX descending ranges of full numbers.  `sent` is the
 * largest number ever sent.  SP_EMALFORMED: a number below 0 or above `sent`. */
struct sp_ackset_range {
    uint64_t lo, hi;
};
int sp_ackset_expand(const struct sp_frame_ack *f, uint64_t sent,
                     struct sp_ackset_range out[1 + SP_ACK_GAPS_MAX], size_t *n);

#endif
