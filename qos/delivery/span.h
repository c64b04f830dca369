/* What a recipient has of its mailbox above the point up to which everything was handed to the app: messages
 * and skipped ranges, as sorted ranges of seq (docs/protocol.md, section 5.4).  Holds no bodies and asks for
 * nothing. */
#ifndef SP_SPAN_H
#define SP_SPAN_H

#include <sampan/types.h>

#define SP_SPAN_RANGES_MAX 128

struct sp_span_range {
    uint32_t lo, hi;
    uint8_t why; /* 0: messages; else enum sp_why of the wire: these seqs will not come */
};
struct sp_span {
    uint32_t base; /* all up to here was handed up */
    size_t n;
    struct sp_span_range ranges[SP_SPAN_RANGES_MAX]; /* rising, disjoint, above base */
};

/* Nothing is there above `base`. */
void sp_span_init(struct sp_span *s, uint32_t base);
/* Notes the message `seq`.  SP_EREPLAY: it is there or at or below base; SP_EFULL: it would be one range too
 * many and lies above all others: not noted, it must come again.  A full span forgets its highest range for a
 * lower one. */
int sp_span_add(struct sp_span *s, uint32_t seq);
/* Notes that lo..hi will not come; what is already there stays as it is.  SP_EFULL: some of it was not noted.
 */
int sp_span_skip(struct sp_span *s, uint32_t lo, uint32_t hi, uint8_t why);
/* What to hand up next: one message (lo == hi, why 0) or one skipped range.  false: the next seq is missing.
 */
bool sp_span_next(const struct sp_span *s, struct sp_span_range *out);
/* Whether sp_span_next has something. */
static inline bool sp_span_has_next(const struct sp_span *s)
{
    return s->n > 0 && s->ranges[0].lo - 1 == s->base;
}
/* Everything up to `hi`, as sp_span_next named it, was handed up. */
void sp_span_pass(struct sp_span *s, uint32_t hi);
/* The highest seq up to which nothing is missing. */
uint32_t sp_span_have(const struct sp_span *s);
/* The highest seq noted; base when there is none. */
uint32_t sp_span_top(const struct sp_span *s);
/* Whether `seq` is at or below base, or noted. */
bool sp_span_has(const struct sp_span *s, uint32_t seq);
/* The lowest ranges above `cursor` (at most base) that need not be sent, touching ones joined, at most `max`
 * of them. Returns how many were written. */
size_t sp_span_held(const struct sp_span *s, uint32_t cursor, struct sp_span_range *out, size_t max);

#endif
