/* Events of gateways: START, STORED, REFUSED, CONFIRMED, ENDED, HEAD. */
#ifndef SP_GATEWAYS_H
#define SP_GATEWAYS_H

#include "facts.h"

/* v->is_full without memory. */
void sp_gateways_take(struct sp_verify *v, const struct sp_history_event *e, struct sp_verify_place at);

#endif
