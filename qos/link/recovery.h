/* What goes again and when (docs/protocol.md, section 6, rules 3 to 6): reads ACKs, judges packets, runs the
 * probe timers and the dark state.  Decides; what it decides is sent by build.c.  The rules of redundancy (2,
 * 7 to 10) will sit beside these: rule 7 where a lost frame goes again, 8 and 9 where a datagram is filled.
 */
#ifndef SP_RECOVERY_H
#define SP_RECOVERY_H

#include "queue.h"
#include "wire.h"

#define SP_RECOVERY_PROBES_MIN 3                /* rule 5: unanswered ones before the link is dark */
#define SP_RECOVERY_DARK_MAX   (15 * SP_SECOND) /* longest wait between two PINGs in the dark */

struct sp_link;

struct sp_recovery {
    uint64_t largest_acked; /* 0: none */
    uint32_t round_bytes;   /* of frames that went again by PTO in this round without anything heard */
    uint8_t backoff;        /* probe rounds since the last ACK of something new */
    uint8_t probes;         /* probe rounds since anything was heard */
    uint8_t free_datagrams; /* probes that the window may not block */
    uint8_t dark_tries;     /* PINGs left before the wait in the dark doubles */
    bool is_dark, wants_ping;
    sp_time heard_at; /* last authenticated packet */
    sp_time round_at; /* start of the last probe round */
    sp_time loss_at;  /* when the next packet is to be held for lost; SP_NEVER: none */
    sp_time dark_at, dark_wait;
};

void sp_recovery_init(struct sp_recovery *r, sp_time now);
/* Takes an ACK frame.  SP_EMALFORMED: it names a number that was never sent; nothing changed. */
int sp_recovery_note_ack(struct sp_link *l, const struct sp_frame_ack *f, sp_time now);
/* Any packet of the peer authenticated: ends the dark. */
void sp_recovery_note_heard(struct sp_link *l, sp_time now);
/* Another network: what is in flight no longer counts, and a dark link probes at once. */
void sp_recovery_note_network(struct sp_link *l, sp_time now);
/* Runs the timers that are due. */
void sp_recovery_tick(struct sp_link *l, sp_time now);
sp_time sp_recovery_deadline(const struct sp_link *l);
/* Ends a frame's life: its copies are unlinked, and its outcome becomes an event if it has a ref. */
void sp_recovery_finish(struct sp_link *l, struct sp_queue_frame *f, enum sp_queue_state outcome);
/* The same without an event. */
void sp_recovery_withdraw(struct sp_link *l, struct sp_queue_frame *f);

#endif
