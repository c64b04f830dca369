/* Requests about groups, devices and streams.  None is offered by this gateway: each gets a definite answer.
 */
#ifndef SP_SVC_CTRL_H
#define SP_SVC_CTRL_H

#include "wire.h"

struct sp_gateway;
struct sp_session;

/* CTRL:R gets CTRL:A without a map: BAD if its own map fails the scan of mp.h, FORBIDDEN for a group op
 * without the right, else BAD, because no op is offered. */
void sp_svc_ctrl_receive(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_ctrl *f,
                         sp_time now);
/* STREAM_OPEN gets STREAM_RESET: 1 refused (no right), else 3 no such service. */
void sp_svc_ctrl_stream(struct sp_gateway *g, struct sp_session *s, const struct sp_frame_stream *f,
                        sp_time now);

#endif
