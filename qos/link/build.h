/* Writes one datagram of a link: pick, build, account (docs/protocol.md, sections 3 and 6).  Decides what
 * rides in it; which frames must go again is decided by recovery.c, where it goes by path.c. */
#ifndef SP_BUILD_H
#define SP_BUILD_H

#include <sampan/types.h>

struct sp_link;

/* Writes the next datagram of an open or closing link.  SP_EAGAIN: nothing to send now; l->retry_at or
 * l->pacer_at then says when slots or pacing may allow what waits. */
int sp_build_datagram(struct sp_link *l, struct sp_datagram *out, sp_time now);
/* Draws the distance to the next number that is never used: 256..1,024 after `pn` (section 3, ruling 27). */
uint64_t sp_build_next_skip(struct sp_link *l, uint64_t pn);

#endif
