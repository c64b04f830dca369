/* From arrival to departure. */
#include "transit.h"

#include <stdlib.h>
#include <string.h>

void sp_transit_init(struct sp_transit *t, const struct sp_model_config *config, int64_t start_us,
                     struct sp_eventlog *events)
{
    memset(t, 0, sizeof *t);
    sp_model_init(&t->model, config);
    sp_delay_init(&t->delay);
    t->start_us = start_us;
    t->events = events;
}

/* A node is the first member of its packet. */
static struct sp_packet *packet_of(struct sp_delay_node *node)
{
    return (struct sp_packet *)node;
}

static struct sp_packet *take_first(struct sp_transit *t)
{
    struct sp_packet *packet = packet_of(sp_delay_first(&t->delay));
    sp_delay_remove(&t->delay, &packet->node);
    sp_lane_forget(&packet->flow->lanes[packet->dir], packet);
    packet->flow->pending--;
    t->waiting_bytes -= packet->len;
    t->tally.counts[packet->dir][SP_TALLY_WAITING]--;
    return packet;
}

void sp_transit_wipe(struct sp_transit *t)
{
    while (sp_delay_first(&t->delay) != NULL)
        free(take_first(t));
    sp_delay_wipe(&t->delay);
}

static struct sp_packet *copy_of(const struct sp_transit *t, const struct sp_transit_datagram *d)
{
    if (t->waiting_bytes + d->len > SP_TRANSIT_BYTES_MAX)
        return NULL;
    struct sp_packet *packet = malloc(sizeof *packet + d->len);
    if (packet == NULL)
        return NULL;
    memset(packet, 0, sizeof *packet);
    packet->len = d->len;
    if (d->len > 0)
        memcpy(packet->bytes, d->bytes, d->len);
    return packet;
}

/* Puts a packet into the heap for a time.  False if there was no room; then it is freed. */
static bool enqueue(struct sp_transit *t, struct sp_packet *packet, int64_t due_us)
{
    if (sp_lane_put(&packet->flow->lanes[packet->dir], &t->delay, packet, due_us) != 0) {
        free(packet);
        return false;
    }
    packet->flow->pending++;
    t->waiting_bytes += packet->len;
    t->tally.counts[packet->dir][SP_TALLY_WAITING]++;
    return true;
}

/* The packet as it came, with the flipped bit and the hold that the fate wants. */
static bool send_first(struct sp_transit *t, struct sp_packet *packet, const struct sp_transit_datagram *d,
                       const struct sp_model_fate *fate)
{
    uint64_t index = t->index[packet->dir];
    enum sp_model_dir dir = packet->dir;
    if (fate->corrupt) {
        packet->bytes[fate->flip_bit / 8] ^= (uint8_t)(1U << (fate->flip_bit % 8));
        sp_tally_add(&t->tally, dir, SP_TALLY_CORRUPTED, 1);
        sp_eventlog_add(t->events, d->arrived_us, dir, "corrupt", index);
    }
    packet->hold = fate->hold;
    if (!enqueue(t, packet, d->arrived_us + fate->delay_us[0]))
        return false;
    if (packet->hold > 0) {
        sp_tally_add(&t->tally, dir, SP_TALLY_REORDERED, 1);
        sp_eventlog_add(t->events, d->arrived_us, dir, "reorder", index);
    }
    return true;
}

static void deliver(struct sp_transit *t, struct sp_flow *flow, enum sp_model_dir dir,
                    const struct sp_transit_datagram *d, const struct sp_model_fate *fate)
{
    if (fate->copies > 1) {
        sp_tally_add(&t->tally, dir, SP_TALLY_DUPLICATED, 1);
        sp_eventlog_add(t->events, d->arrived_us, dir, "dup", t->index[dir]);
    }
    for (unsigned copy = 0; copy < fate->copies; copy++) {
        struct sp_packet *packet = copy_of(t, d);
        bool in = false;
        if (packet != NULL) {
            packet->flow = flow;
            packet->dir = dir;
            in = copy == 0 ? send_first(t, packet, d, fate)
                           : enqueue(t, packet, d->arrived_us + fate->delay_us[copy]);
        }
        if (!in) {
            sp_tally_add(&t->tally, dir, SP_TALLY_OVERFLOW, 1);
            sp_eventlog_add(t->events, d->arrived_us, dir, "overflow", t->index[dir]);
        }
    }
}

void sp_transit_take(struct sp_transit *t, struct sp_flow *flow, enum sp_model_dir dir,
                     const struct sp_transit_datagram *d)
{
    int64_t since_start_us = d->arrived_us - t->start_us;
    struct sp_model_packet p = {.dir = dir,
                                .index = ++t->index[dir],
                                .now_us = since_start_us > 0 ? since_start_us : 0,
                                .len = d->len};
    struct sp_model_fate fate;
    sp_model_judge(&t->model, &p, &fate);
    if (fate.verdict == SP_MODEL_PASS) {
        deliver(t, flow, dir, d, &fate);
        return;
    }
    sp_tally_add(&t->tally, dir, sp_tally_of_verdict(fate.verdict), 1);
    sp_eventlog_add(t->events, d->arrived_us, dir, sp_model_verdict_name(fate.verdict), p.index);
}

struct sp_packet *sp_transit_next(struct sp_transit *t, int64_t now_us)
{
    return sp_transit_deadline(t) <= now_us ? take_first(t) : NULL;
}

int64_t sp_transit_deadline(const struct sp_transit *t)
{
    const struct sp_delay_node *first = sp_delay_first(&t->delay);
    return first == NULL ? SP_TRANSIT_NEVER : first->due_us;
}
