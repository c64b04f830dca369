/* What only all logs together show: each message by all that is known of it, each mailbox in seq order. */
#ifndef SP_WHOLE_H
#define SP_WHOLE_H

#include "facts.h"

/* Judges, and counts outcomes into v->sum.  v->is_full without memory. */
void sp_whole_judge(struct sp_verify *v);

#endif
