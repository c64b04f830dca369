/* ack:R: the recipient's cursor (docs/protocol.md, sections 5.3 rule 8 and 5.4; rulings 36 and 37).  It moves
 * only by a bound session and only over what that session stated, was sent or was told to skip. */
#ifndef SP_SVC_ACK_H
#define SP_SVC_ACK_H

#include "wire.h"

struct sp_gateway;
struct sp_session;

/* Takes an ack:R of a live session. */
void sp_svc_ack_receive(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_ack_r *f,
                        sp_time now);

#endif
