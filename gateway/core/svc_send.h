/* msg:R: from the frame to the durable message and its answer (docs/protocol.md, section 5.3).  The only
 * builder of msg:A(OK), and only in the store's answer. */
#ifndef SP_SVC_SEND_H
#define SP_SVC_SEND_H

#include "batch.h"
#include "table.h"
#include "wire.h"

struct sp_gateway;
struct sp_device;
struct sp_session;

/* A message on its way: held for the one named in AFTER, or with the store. */
struct sp_send {
    struct sp_ask ask;
    struct sp_hook hook;      /* by (device, msgid) */
    struct sp_node node;      /* sp_device.holds while held */
    struct sp_node hold;      /* the gateway's list of held ones, by time */
    sp_time held_until;       /* when it is told BUSY if it still waits */
    struct sp_device *device; /* stays (sends_n) */
    struct sp_msgid msgid, after;
    int64_t at_us;
    uint8_t flags;
    uint8_t ended;   /* state it came to while the store's answer about it was on its way; 0: none */
    uint8_t looks;   /* at the mailbox, because nobody knows whether it is there */
    bool is_retried; /* the store was asked once more, in case the one in AFTER had just passed */
    uint8_t to_len, to[SP_USER_MAX];
    size_t body_len;
    uint8_t body[SP_PART_MAX];
};

void sp_svc_send_init(struct sp_gateway *g);
/* Takes a msg:R of a live session.  The session may be closing when this returns (too many refused). */
void sp_svc_send_receive(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_msg_r *f,
                         sp_time now);
/* DONE: the sender is finished with all ids up to this one. */
void sp_svc_send_done(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_done *f, sp_time now);
/* Whether the fate of this id is not known yet. */
bool sp_svc_send_is_pending(const struct sp_gateway *g, const struct sp_device *d, struct sp_msgid id);
/* A message came to this end.  The store may say so before it answers a repeat that it saw earlier: that
 * answer must not take the sender back (G5). */
void sp_svc_send_ended(const struct sp_gateway *g, const struct sp_device *d, struct sp_msgid id,
                       uint8_t state);
/* BUSY for what was held too long. */
void sp_svc_send_step(struct sp_gateway *g, sp_time now);
sp_time sp_svc_send_deadline(const struct sp_gateway *g);

#endif
