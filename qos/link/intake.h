/* Takes one datagram of a link: opens it, checks it whole, handles the frames of the link layer, decides when
 * it is acknowledged (docs/protocol.md, sections 3 and 6).  Frames of the delivery layer stay for
 * sp_link_next. */
#ifndef SP_INTAKE_H
#define SP_INTAKE_H

#include <sampan/types.h>

struct sp_link;

/* The work of sp_link_receive, with its errors. */
int sp_intake_datagram(struct sp_link *l, struct sp_datagram *in, sp_time now);

#endif
