/* One session: its link, whose it is, and how far each service got with it.  From ACCEPT (half open) over the
 * first DATA (live) to CLOSE (closing); the slot is free when the link has nothing to repeat and the store
 * owes no answer. It knows the state; what a frame means is in the svc_* files, which own the parts named
 * after them. */
#ifndef SP_SESSION_H
#define SP_SESSION_H

#include "batch.h"
#include "carry.h"
#include "conf.h"
#include "dedup.h"
#include "due.h"
#include "handshake.h"
#include "link.h"
#include "peers.h"
#include "table.h"

enum sp_session_state { SP_SESSION_HALF_OPEN, SP_SESSION_LIVE, SP_SESSION_CLOSING };

/* svc_pull: what the one pull that may be under way waits for. */
enum sp_pull_phase { SP_PULL_IDLE, SP_PULL_HEAD, SP_PULL_CONFIRM, SP_PULL_RANGE, SP_PULL_TRIM, SP_PULL_MORE };

struct sp_pull {
    struct sp_ask ask;
    enum sp_pull_phase phase;
    enum sp_pull_phase after_trim; /* RANGE or MORE */
    bool has_next;                 /* a newer PULL:R came meanwhile */
    struct sp_frame_pull_r now, next;
    uint16_t answered[SP_CONF_PULL_IDS]; /* ids of pulls that were answered; 0: none */
    unsigned answered_at;
    bool is_reading; /* messages of the answered pull are still to be sent: seqs at..goal */
    uint64_t at;     /* one more than the last seq is a value, too */
    uint32_t goal;
    sp_time stalled_until; /* it found no slot: to read again before others gave some back would only spin */
    struct sp_store_span spans[SP_CONF_SPANS];
};

/* svc_ack: one CONFIRM or MARK at a time, the newest waits. */
struct sp_acks {
    struct sp_ask ask;
    struct sp_frame_ack_r now;
    bool has_delivered, has_read; /* waiting behind it */
    struct sp_frame_ack_r delivered, read;
    struct sp_store_span spans[1 + SP_HELD_MAX];
};

struct sp_session {
    struct sp_hook hook; /* by cid */
    uint8_t cid[8];
    enum sp_session_state state;
    struct sp_node node;      /* in the gateway's list of this state */
    struct sp_node dirty;     /* has something to settle or transmit */
    struct sp_due_slot due;   /* when it will have */
    struct sp_device *device; /* NULL when closing */
    sp_time opened_at, ends_at;
    uint16_t rights;                     /* of the token */
    uint8_t user_len, user[SP_USER_MAX]; /* whose it was, for questions that the store gets after the end */
    /* Half open: the ACCEPT, for a repeated INIT. */
    uint8_t accept[SP_ACCEPT_MIN];
    uint8_t accept_left;
    struct sp_addr accept_peer;
    /* Delivery. */
    bool is_dark;   /* the link hears nothing */
    bool is_bound;  /* a pull fixed epoch and base */
    bool tips_only; /* the client's wish */
    bool is_tipped; /* a TIP went out; no msg:N until the next pull */
    uint32_t tip;   /* svr_seq of a TIP that found no room; 0: none */
    uint16_t inbox; /* unconfirmed msg:N that the client takes */
    struct sp_epoch epoch;
    uint32_t sent; /* every seq up to it was stated by the client, sent or skipped: live sending goes on from
                      here */
    uint32_t high; /* highest seq that this session may confirm */
    struct sp_pull pull;
    struct sp_acks acks;
    struct sp_carry carry;
    struct sp_dedup refused;
    struct sp_list statuses; /* sp_status.node */
    unsigned statuses_n;
    struct sp_link link;
};

/* Refs of frames whose fate a service wants to know: the kind in the two highest bits. */
#define SP_SESSION_REF_MASK  ((uint64_t)3 << 62)
#define SP_SESSION_REF_MSG_N ((uint64_t)1 << 62) /* low 32 bits: seq */
#define SP_SESSION_REF_ACK_N ((uint64_t)2 << 62) /* the rest is svc_receipt's */

/* What admit.c knows of a session to be. */
struct sp_session_opening {
    struct sp_device *device;
    uint16_t rights;
    struct sp_addr peer;
    uint8_t cid[8];
    const struct sp_session_keys *keys;
    bool is_validated, early;
    size_t received_bytes;
};

/* A half-open session.  NULL: no slot. */
struct sp_session *sp_session_open(struct sp_gateway *g, const struct sp_session_opening *o, sp_time now);
/* Sends CLOSE and takes presence from it; the slot is freed when that is through.  Half open: freed at once,
 * silently. Without effect on a closing one.  The session may be gone when this returns. */
void sp_session_close(struct sp_gateway *g, struct sp_session *s, enum sp_close code, uint16_t retry,
                      sp_time now);
/* It has something to settle or transmit in this turn. */
void sp_session_touch(struct sp_gateway *g, struct sp_session *s);
/* Link events first (confirmation, loss of contact, close), then what waits for room.  False: the session is
 * gone. */
bool sp_session_settle_all(struct sp_gateway *g, struct sp_session *s, sp_time now);
static inline bool sp_session_settle(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    /* In most turns there is nothing to settle, and so that is decided here. */
    bool is_settled = s->state == SP_SESSION_LIVE && now < s->ends_at && !sp_link_has_event(&s->link) &&
                      s->tip == 0 && !s->pull.is_reading && sp_list_is_empty(&s->device->owed);
    return is_settled || sp_session_settle_all(g, s, now);
}
/* Link events alone, so that the first DATA confirms before its frames are read.  False: the session is gone.
 */
bool sp_session_hear(struct sp_gateway *g, struct sp_session *s, sp_time now);
/* Submits a frame; counts and returns false when the link has no room.  ref: see above, or 0. */
bool sp_session_send(struct sp_gateway *g, struct sp_session *s, const struct sp_frame *f, uint64_t ref,
                     sp_time now);
/* The user's id, valid as long as the session's slot. */
struct sp_view sp_session_user(const struct sp_session *s);
/* How many msg:N may be submitted now. */
size_t sp_session_room(const struct sp_session *s);
/* Arms the timer after transmit. */
void sp_session_rest(struct sp_gateway *g, struct sp_session *s, sp_time now);

#endif
