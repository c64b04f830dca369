/* Events about one's own messages: SEND, TOLD, FAILED, GAVEUP, and what a RUN says about earlier sends. */
#ifndef SP_SENDERS_H
#define SP_SENDERS_H

#include "facts.h"

/* device: the event's.  The row of the message is made if absent; v->is_full without memory. */
void sp_senders_take(struct sp_verify *v, const struct sp_history_event *e, uint32_t device,
                     struct sp_verify_place at);
/* The device starts: sends above `last` were never durable there. */
void sp_senders_run(struct sp_verify *v, const struct sp_history_event *e, uint32_t device);

#endif
