/* One direction of one client: puts packets into the delay heap and keeps the promise of --reorder, that a
 * packet goes behind one to three later ones.  It sends nothing and reads no clock. */
#ifndef SP_LANE_H
#define SP_LANE_H

#include <stddef.h>
#include <stdint.h>

#include "delay.h"
#include "model.h"

#define SP_LANE_HELD_MAX 16     /* packets held at once in a lane; a further one is not held */
#define SP_LANE_HOLD_US  200000 /* a held packet goes after this time also if no later one comes */

struct sp_flow;

/* A datagram on its way.  One block of memory, owned by whoever last got it from a function. */
struct sp_packet {
    struct sp_delay_node node; /* first, so that a node is its packet */
    struct sp_flow *flow;      /* whose it is; borrowed */
    enum sp_model_dir dir;
    unsigned hold;     /* later packets still to wait for; 0: not held */
    int64_t due_us;    /* its own time, without holding */
    int64_t behind_us; /* the latest time of the packets that go before it */
    size_t len;
    uint8_t bytes[];
};

/* Memory of the caller; all zero is empty. */
struct sp_lane {
    struct sp_packet *held[SP_LANE_HELD_MAX];
    unsigned held_n;
};

/* Schedules a packet for `due_us`, or later if packet->hold is not 0.  Held ones that have seen enough later
 * packets are scheduled right behind this one.  packet->hold becomes 0 if the lane holds too many already.
 * The heap borrows the packet.  -1 if the heap is full; then nothing has changed. */
int sp_lane_put(struct sp_lane *lane, struct sp_delay *delay, struct sp_packet *packet, int64_t due_us);

/* Forgets a packet that leaves the heap, held or not. */
void sp_lane_forget(struct sp_lane *lane, const struct sp_packet *packet);

#endif
