/* Lanes: schedule and hold. */
#include "lane.h"

/* Without keeping the order of the held ones: their times decide, not their places. */
static void unhold(struct sp_lane *lane, unsigned at)
{
    lane->held[at]->hold = 0;
    lane->held[at] = lane->held[--lane->held_n];
}

/* A packet that passes at `due_us` is one later packet for each held one. */
static void count_down(struct sp_lane *lane, struct sp_delay *delay, int64_t due_us)
{
    for (unsigned i = lane->held_n; i > 0; i--) {
        struct sp_packet *held = lane->held[i - 1];
        if (due_us > held->behind_us)
            held->behind_us = due_us;
        if (--held->hold > 0)
            continue;
        int64_t release_us = held->due_us > held->behind_us ? held->due_us : held->behind_us;
        /* The limit of holding is kept: a packet that is delayed for long may still be overtaken. */
        if (release_us < held->node.due_us)
            sp_delay_move(delay, &held->node, release_us);
        unhold(lane, i - 1);
    }
}

int sp_lane_put(struct sp_lane *lane, struct sp_delay *delay, struct sp_packet *packet, int64_t due_us)
{
    if (lane->held_n == SP_LANE_HELD_MAX)
        packet->hold = 0;
    packet->due_us = due_us;
    packet->behind_us = due_us;
    if (sp_delay_push(delay, &packet->node, packet->hold > 0 ? due_us + SP_LANE_HOLD_US : due_us) != 0)
        return -1;
    if (packet->hold > 0)
        lane->held[lane->held_n++] = packet;
    else
        count_down(lane, delay, due_us);
    return 0;
}

void sp_lane_forget(struct sp_lane *lane, const struct sp_packet *packet)
{
    for (unsigned i = 0; i < lane->held_n; i++) {
        if (lane->held[i] == packet) {
            unhold(lane, i);
            return;
        }
    }
}
