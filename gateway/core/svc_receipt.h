/* Receipts: ack:N to the senders of messages (docs/protocol.md, sections 5.3 and 5.4).  What a sender's link
 * has not acknowledged stays owed, also over the end of its session; when there are too many, the sender
 * learns by STATUS:R. */
#ifndef SP_SVC_RECEIPT_H
#define SP_SVC_RECEIPT_H

#include "peers.h"

struct sp_gateway;

/* One change that a sender does not know yet. */
struct sp_owed {
    struct sp_hook hook; /* by (device, msgid) */
    struct sp_node all;  /* oldest first, of all devices */
    struct sp_node mine; /* sp_device.owed or .told */
    struct sp_device *device;
    struct sp_msgid msgid;
    uint64_t ref; /* of the frame that tells it; 0: not told */
    uint8_t state;
};

void sp_svc_receipt_init(struct sp_gateway *g);
/* The sender is to know that its message reached a state; lower states than the one owed change nothing. */
void sp_svc_receipt_owe(struct sp_gateway *g, struct sp_device *d, struct sp_msgid id, uint8_t state,
                        sp_time now);
/* The store says that a message came to its end, and its sender is told so in another way: an older state
 * that is owed or watched for, because the answer to a confirmation was lost, must not be told after it (G5).
 */
void sp_svc_receipt_correct(struct sp_gateway *g, struct sp_device *d, struct sp_msgid id, uint8_t state,
                            sp_time now);
/* The same for each message of a store answer (CONFIRM, TRIM, MARK, pushed out by APPEND); ends its watch. */
void sp_svc_receipt_entries(struct sp_gateway *g, const struct sp_store_entry *e, size_t n, sp_time now);
/* Sends what is owed, as far as the session's link has room. */
void sp_svc_receipt_flush(struct sp_gateway *g, struct sp_device *d, sp_time now);
/* The sender's link has it. */
void sp_svc_receipt_acked(struct sp_gateway *g, struct sp_session *s, uint64_t ref);
/* The session is gone: what was told and not acknowledged is owed again. */
void sp_svc_receipt_untell(struct sp_device *d);
/* Forgets the oldest receipt of an absent device.  False: the oldest is not of an absent one, or there is
 * none. */
bool sp_svc_receipt_forget_oldest(struct sp_gateway *g);

#endif
