/* Events of a receiving app: RUN, HANDED, SKIPPED, KEPT, RESYNC. */
#ifndef SP_DEVICES_H
#define SP_DEVICES_H

#include "facts.h"

/* device: the event's.  v->is_full without memory. */
void sp_devices_take(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                     struct sp_verify_place at);

#endif
