/* What section 4 of docs/protocol.md says about each frame kind besides its layout: one const table. */
#ifndef SP_KINDS_H
#define SP_KINDS_H

#include "wire.h"

enum sp_resend {
    SP_RESEND_NO,     /* sent once */
    SP_RESEND_YES,    /* in new packets until acknowledged */
    SP_RESEND_NEWEST, /* a newer frame of the same key takes its place */
    SP_RESEND_FRESH,  /* PATH_CHALLENGE: a new value each time, by its own timer */
};
enum sp_priority { /* section 6, rule 11 */
                   SP_PRIORITY_CONTROL,
                   SP_PRIORITY_INTERACTIVE,
                   SP_PRIORITY_BULK,
};
struct sp_kind_facts {
    const char *name; /* as in docs/protocol.md; NULL: no such kind */
    uint8_t dirs;     /* sum of enum sp_dir */
    uint8_t resend;   /* enum sp_resend */
    bool elicits;     /* counts as ack-eliciting */
    bool is_link;     /* handled inside the link layer, never handed up as a frame */
};

#define SP_KINDS_MAX 0x40 /* all known kinds lie below */

/* A row per kind, and behind them one for all unknown ones. */
extern const struct sp_kind_facts sp_kinds[SP_KINDS_MAX + 1];
/* Facts of a kind; a row with name NULL for an unknown one.  Never NULL. */
static inline const struct sp_kind_facts *sp_kinds_get(uint8_t kind)
{
    return &sp_kinds[kind < SP_KINDS_MAX ? kind : SP_KINDS_MAX];
}
/* The class in which a frame waits for its turn. */
enum sp_priority sp_kinds_priority(const struct sp_frame *f);
/* Key of a frame whose newest value alone is resent: equal keys replace each other.  0: none.  The key of
 * ack:A is the id that it answers: "newest per kind" would need the kind of the ack:R, which the frame does
 * not carry, and an older ack:A that arrives late does no harm. */
uint64_t sp_kinds_key(const struct sp_frame *f);

#endif
