/* What is between receiving a datagram and sending it on: the model's fate, the delay heap, the counters, the
 * event log.  It reads no clock and touches no socket; times are those of one monotonic clock. */
#ifndef SP_TRANSIT_H
#define SP_TRANSIT_H

#include <stdint.h>

#include "delay.h"
#include "eventlog.h"
#include "flow.h"
#include "lane.h"
#include "model.h"
#include "tally.h"

#define SP_TRANSIT_BYTES_MAX (UINT64_C(256) << 20) /* payload in the delay heap */
#define SP_TRANSIT_NEVER     INT64_MAX

/* Memory of the caller.  `tally` may be read and added to; the rest is private. */
struct sp_transit {
    struct sp_model model;
    struct sp_tally tally;
    uint64_t index[SP_MODEL_DIRS]; /* of the latest packet */
    struct sp_delay delay;
    uint64_t waiting_bytes;
    int64_t start_us;
    struct sp_eventlog *events;
};

struct sp_transit_datagram {
    const uint8_t *bytes;
    size_t len;
    int64_t arrived_us;
};

/* Begins with packet 1 in both directions; the model's time 0 is `start_us`.  `events` is borrowed and may be
 * NULL. */
void sp_transit_init(struct sp_transit *t, const struct sp_model_config *config, int64_t start_us,
                     struct sp_eventlog *events);

/* Frees what waits. */
void sp_transit_wipe(struct sp_transit *t);

/* Decides about a datagram of a client and copies what is to be delivered of it. */
void sp_transit_take(struct sp_transit *t, struct sp_flow *flow, enum sp_model_dir dir,
                     const struct sp_transit_datagram *d);

/* The next packet that is due, or NULL.  It is the caller's, who frees it; its node.due_us tells when it was
 * due. */
struct sp_packet *sp_transit_next(struct sp_transit *t, int64_t now_us);

/* When the next packet is due, or SP_TRANSIT_NEVER. */
int64_t sp_transit_deadline(const struct sp_transit *t);

#endif
