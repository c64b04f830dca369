/* Messages for us: handed up in seq order without holes, pulled when something is missing, confirmed when the
 * app has persisted them (docs/protocol.md, section 5.4).  Holds back what came too early in a window of
 * fixed slots.  Refuses to know links: it hands out frames and takes answers. */
#ifndef SP_INBOX_H
#define SP_INBOX_H

#include "ledger.h"
#include "pending.h"
#include "span.h"
#include "wire.h"
#include <sampan/client.h>

#define SP_INBOX_PULL_MAX 500 /* messages of one pull (docs/protocol.md, section 5.4) */

struct sp_inbox_slot {
    struct sp_msgid msgid;
    uint64_t at_ms;
    uint32_t device;
    uint16_t body_len;
    uint8_t from_len, group_len;
    uint8_t from[SP_USER_MAX], group[SP_USER_MAX], body[SP_PART_MAX];
};

struct sp_inbox {
    struct sp_ledger *ledger;
    struct sp_rng *rng;
    struct sp_inbox_slot *slots; /* of seq n at n % slots_n: the window is the slots_n seqs after span.base */
    uint32_t slots_n;

    struct sp_epoch epoch;
    struct sp_span span;   /* its base: handed to the app */
    uint32_t kept;         /* the app has persisted all up to here */
    uint32_t confirmed;    /* the gateway has, as it said in this epoch */
    uint32_t expect, head; /* highest seq sent to us in this session; highest that exists */
    struct {
        bool is_due; /* a RESYNC waits to be adopted */
        struct sp_epoch epoch;
        uint32_t lo, hi;
    } resync;

    bool is_up, is_bound;
    bool is_refused; /* this token has no right to receive */
    bool wants_refusal_told;
    uint16_t last_id;
    sp_time pto;
    struct sp_pending pull; /* the one outstanding */
    bool pull_confirms;
    uint32_t hole;         /* the lowest missing seq below `expect`; 0: none */
    sp_time hole_due;      /* when it has lasted long enough for a pull */
    unsigned hole_tries;   /* pulls since it came up */
    struct sp_pending ack; /* newest ack:R without answer */
    sp_time ack_due;       /* the cursor was gathered long enough; SP_NEVER: nothing to state */
    uint32_t stated;       /* highest cursor that a frame of this session carries */
    uint32_t loud;         /* an ack:R wants an answer while this is above `confirmed` */
    uint32_t reached; /* highest cursor of an ack:R that wanted no answer and reached the gateway's link */
    uint32_t seen;    /* highest seq that the gateway has certainly sent or skipped in this session */
    bool is_behind;   /* the gateway refused our cursor: pull from `behind` without confirming */
    uint32_t behind, behind_to; /* behind_to: as far as the answer to that pull reaches */
    unsigned behind_tries;
    sp_time behind_due;

    uint64_t duplicates, fragments, overflows, pulls;
};

struct sp_inbox_config {
    struct sp_ledger *ledger; /* borrowed, as rng and slots */
    struct sp_rng *rng;
    struct sp_inbox_slot *slots;
    uint16_t slots_n;
};

void sp_inbox_init(struct sp_inbox *in, const struct sp_inbox_config *cfg,
                   const struct sp_local_state *state);

/* A session is there: the first pull binds it.  It is lost. */
void sp_inbox_session_up(struct sp_inbox *in, sp_time now);
void sp_inbox_session_lost(struct sp_inbox *in);

/* Frames of the gateway. */
void sp_inbox_msg_n(struct sp_inbox *in, const struct sp_frame_msg_n *f, sp_time now);
void sp_inbox_pull_a(struct sp_inbox *in, const struct sp_frame_pull_a *f, sp_time now);
void sp_inbox_resync(struct sp_inbox *in, const struct sp_frame_resync *f, sp_time now);
void sp_inbox_tip(struct sp_inbox *in, const struct sp_frame_tip *f);
void sp_inbox_ack_a(struct sp_inbox *in, const struct sp_frame_ack_a *f, sp_time now);

/* Timers; pto is the link's as of now.  true: a frame is due, for which local storage must be durable. */
bool sp_inbox_step(struct sp_inbox *in, sp_time pto, sp_time now);
/* The next frame (PULL:R, ack:R).  None is handed out before local storage is durable.  SP_EAGAIN. */
int sp_inbox_frame(struct sp_inbox *in, struct sp_frame *f, sp_time now);
/* That frame was taken by the link. */
void sp_inbox_note_sent(struct sp_inbox *in, const struct sp_frame *f, sp_time now);
/* An ack:R with this cursor reached the gateway's link. */
void sp_inbox_link_acked(struct sp_inbox *in, uint32_t cursor);
sp_time sp_inbox_deadline(const struct sp_inbox *in);

/* Next MESSAGE, SKIPPED or RESYNC; its views are borrowed until the next call.  SP_EAGAIN. */
int sp_inbox_poll(struct sp_inbox *in, struct sp_client_event *ev, sp_time now);
bool sp_inbox_has_event(const struct sp_inbox *in);
/* Whether the token has no right to receive; true once per session. */
bool sp_inbox_take_refusal(struct sp_inbox *in);
/* As sp_client_keep. */
int sp_inbox_keep(struct sp_inbox *in, uint32_t upto, sp_time now);
/* Whether the gateway has confirmed everything that was kept. */
bool sp_inbox_is_settled(const struct sp_inbox *in);
/* Messages held: behind a hole or not handed up yet. */
uint32_t sp_inbox_held(const struct sp_inbox *in);

#endif
