/* Delay-steered window.  A round lasts at least one srtt and SAMPLES_MIN samples; its smallest sample shows
 * the standing queue, which jitter of single packets does not raise (the idea of the standing RTT is that of
 * Copa: Arun and Balakrishnan, NSDI 2018).  Rule 12 asks for srtt - min_rtt; the standing queue must agree
 * before the window shrinks, with rttvar as the allowance for strong jitter, whose smallest sample is late
 * too. */
#include "congestion.h"

#include <string.h>

#define DATAGRAM       SP_DATAGRAM_MAX
#define FIRST          (10 * DATAGRAM)
#define LEAST          (2 * DATAGRAM)
#define MOST           (1024 * DATAGRAM) /* more packets than this are not remembered */
#define QUEUE_MAX      (25 * SP_MS)
#define SAMPLES_MIN    8
#define START_QUEUE_LO (4 * SP_MS) /* leaving the start: RFC 9406, section 4.2 */
#define START_QUEUE_HI (16 * SP_MS)

static void begin_round(struct sp_congestion *c, sp_time now)
{
    c->round_at = now;
    c->round_min = SP_NEVER;
    c->samples = c->acked = 0;
    c->was_full = false;
}

void sp_congestion_init(struct sp_congestion *c, sp_time now)
{
    memset(c, 0, sizeof *c);
    c->cwnd = FIRST;
    c->is_starting = true;
    begin_round(c, now);
}

bool sp_congestion_has_room(const struct sp_congestion *c, uint32_t bytes, uint32_t packets)
{
    return bytes < c->cwnd || packets < SP_CONGESTION_FREE;
}

void sp_congestion_note_full(struct sp_congestion *c)
{
    c->was_full = true;
}

static void shrink(struct sp_congestion *c, uint32_t least)
{
    uint32_t next = c->cwnd / 10 * 7;
    c->is_starting = false;
    if (c->cwnd > least)
        c->cwnd = next > least ? next : least;
}

static void grow(struct sp_congestion *c)
{
    if (!c->was_full)
        return;
    uint32_t step = c->is_starting && c->acked > DATAGRAM ? c->acked : DATAGRAM;
    c->cwnd = c->cwnd < MOST - step ? c->cwnd + step : MOST;
}

static sp_time start_queue(sp_time min_rtt)
{
    sp_time t = min_rtt / 8;
    if (t < START_QUEUE_LO)
        return START_QUEUE_LO;
    return t < START_QUEUE_HI ? t : START_QUEUE_HI;
}

static void end_round(struct sp_congestion *c, const struct sp_congestion_ack *a)
{
    sp_time standing = c->round_min - a->min_rtt;
    sp_time mean = a->srtt - a->min_rtt;
    sp_time limit = a->min_rtt / 4 > QUEUE_MAX ? a->min_rtt / 4 : QUEUE_MAX;
    if (standing > start_queue(a->min_rtt))
        c->is_starting = false;
    if (standing > limit + a->rttvar && mean > limit) {
        shrink(c, LEAST);
    } else if (a->loss_is_risen) {
        /* A policer drops without queueing, so a rise of loss counts; but radio fades rise as well, and they
         * shall not take the window below where every link starts. */
        shrink(c, FIRST);
    } else if (standing > QUEUE_MAX) {
        if (c->cwnd > LEAST + DATAGRAM)
            c->cwnd -= DATAGRAM;
    } else {
        grow(c);
    }
}

void sp_congestion_note_acked(struct sp_congestion *c, const struct sp_congestion_ack *a, sp_time now)
{
    c->acked += a->bytes;
    if (a->sample != 0) {
        c->samples++;
        if (a->sample < c->round_min)
            c->round_min = a->sample;
    }
    if (now - c->round_at < a->srtt || c->samples < SAMPLES_MIN)
        return;
    end_round(c, a);
    begin_round(c, now);
}

void sp_congestion_note_silent(struct sp_congestion *c, sp_time now)
{
    c->cwnd = LEAST;
    c->is_starting = true;
    begin_round(c, now);
}

void sp_congestion_note_moved(struct sp_congestion *c, sp_time now)
{
    sp_congestion_init(c, now);
}
