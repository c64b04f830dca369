/* What the core witnesses, as an event of a history (docs/history.md): the one place where the two meet.  No
 * file and no clock here: chronicle.h has them. */
#ifndef SP_GATENOTE_H
#define SP_GATENOTE_H

#include "history.h"
#include "witness.h"

/* The event that says what `w` says, for a log of the gateway.  Its names are those of `w`, borrowed; at_us
 * is 0 and the caller's to set. */
struct sp_history_event sp_gatenote_make(const struct sp_witness_event *w);

#endif
