/* PULL:R: a mailbox from the client's cursor on (docs/protocol.md, section 5.4; rulings 5, 6, 14, 39). Judged
 * first, then confirmed, then answered by PULL:A and one msg:N per message as the link has room: what finds
 * none stays in the store and is read again, so a slow reader holds nothing but its own session. */
#ifndef SP_SVC_PULL_H
#define SP_SVC_PULL_H

#include "wire.h"

struct sp_gateway;
struct sp_session;

/* Takes a PULL:R of a live session. */
void sp_svc_pull_receive(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_pull_r *f,
                         sp_time now);
/* Goes on with an answered pull if the link has room again. */
void sp_svc_pull_pump(struct sp_gateway *g, struct sp_session *s, sp_time now);
/* When a pull that found no slot goes on; SP_NEVER: none waits for that. */
sp_time sp_svc_pull_deadline(const struct sp_session *s, sp_time now);

#endif
