/* Pairs of users at work on a stage: who sends when, and what became of each message.  Open loop: a fixed
 * schedule, latency counts from the moment a message was due.  Closed loop: a fixed number of messages per
 * pair on the way, latency counts from the moment a message was submitted. */
#ifndef SP_CROWD_H
#define SP_CROWD_H

#include "score.h"
#include "stage.h"

struct sp_crowd_plan {
    struct sp_stage_config stage;
    double rate;     /* open loop: messages a second of each pair */
    unsigned window; /* closed loop: messages of each pair on the way; 0: open loop */
    unsigned size;   /* bytes of a body, 16..1000 */
    unsigned for_s;
};
struct sp_crowd_result {
    size_t sent, undelivered, late_sends; /* late: more than 1 ms after they were due */
    size_t wrong;                         /* duplicated, out of order within a pair, or strange */
    double seconds;                       /* of sending */
    double messages_per_s;                /* delivered while sending went on */
    double cpu_s;                         /* of the gateway, user and system */
    uint64_t payload_bytes, wire_bytes;   /* bodies of all messages; datagrams of all clients, both ways */
    uint64_t frames_sent, frames_resent;  /* by clients */
    sp_time p50, p99, p999, max;          /* undelivered ones count as the patience */
};

#define SP_CROWD_PATIENCE (60 * SP_SECOND)

/* Plays a plan.  SP_EXIT_IO, SP_EXIT_FAILED, SP_EXIT_UNREACHABLE. */
int sp_crowd_play(const struct sp_crowd_plan *plan, struct sp_crowd_result *out, struct sp_trouble *t);

#endif
