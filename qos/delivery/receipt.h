/* The order of receipt states (docs/protocol.md, section 1): which state may follow which.  A receipt only
 * ever rises, and it ends in one way only.  Keeps nothing. */
#ifndef SP_RECEIPT_H
#define SP_RECEIPT_H

#include <sampan/types.h>

/* Whether `to` is news for one who knows `from`: it is a higher state of the same ending.  States of
 * SP_STATE_ENDED and above exclude DELIVERED and READ and each other; numbers that no version of the protocol
 * uses are never news. */
bool sp_receipt_rises(uint8_t from, uint8_t to);
/* Whether the message is durable at the gateway, or was: the sender may let its body go. */
bool sp_receipt_is_safe(uint8_t state);
/* Whether the sender's waiting-ack queue is done with a message in this state (READ may still follow
 * DELIVERED). */
bool sp_receipt_is_final(uint8_t state);

#endif
