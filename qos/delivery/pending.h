/* One report that waits for its answer, and when to ask again: the timers of docs/protocol.md, section 5.5.
 * Knows the schedule; refuses to know what was asked or to send anything. */
#ifndef SP_PENDING_H
#define SP_PENDING_H

#include "rng.h"

/* The rows of section 5.5 that wait for a report. */
enum sp_pending_kind {
    SP_PENDING_T1,      /* msg:R reached the gateway's link, no answer */
    SP_PENDING_T1_FOUR, /* the same in four-report mode, where the answer is ack:N */
    SP_PENDING_T2,      /* the message is safe, no final state */
    SP_PENDING_STATUS,  /* no STATUS:A */
    SP_PENDING_ACK_R,   /* no ack:A */
    SP_PENDING_PULL,    /* no PULL:A */
    SP_PENDING_KINDS,
};

struct sp_pending {
    uint8_t kind;  /* enum sp_pending_kind */
    uint8_t tries; /* repeats so far */
    bool is_waiting;
    uint16_t id;
    sp_time due; /* when to ask again; SP_NEVER while nothing waits */
};

/* How long the next wait is, before jitter, after `tries` repeats; three_pto is 3 PTO of the link. */
sp_time sp_pending_wait_us(enum sp_pending_kind kind, unsigned tries, sp_time three_pto);

/* Nothing waits. */
void sp_pending_init(struct sp_pending *p);
/* The report `id` has just been sent for the first time. */
void sp_pending_start(struct sp_pending *p, enum sp_pending_kind kind, uint16_t id, sp_time three_pto,
                      struct sp_rng *rng, sp_time now);
/* It has just been sent again: the next wait is longer. */
void sp_pending_again(struct sp_pending *p, sp_time three_pto, struct sp_rng *rng, sp_time now);
/* The answer came, or nobody waits for it any more. */
void sp_pending_stop(struct sp_pending *p);
bool sp_pending_is_due(const struct sp_pending *p, sp_time now);

#endif
