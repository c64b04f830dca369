/* Round-trip estimates: RFC 6298 smoothing, a minimum over two half windows, and the waits of rules 4 and 6.
 */
#include "rtt.h"

#include <string.h>

#define MIN_WINDOW  (300 * SP_SECOND)     /* half of the 10 minutes of rule 3 */
#define VAR_MIN     (5 * SP_MS)           /* rule 4: PTO leaves at least this above srtt */
#define SAMPLE_MAX  (60 * SP_SECOND)      /* a longer one is a suspended machine, not a path */
#define MOVED_MAX   (SP_RTT_WAIT_MAX / 3) /* rttvar by moves alone: more would not make any wait longer */
#define FACTORS_MAX 7

static void update_pto(struct sp_rtt *r)
{
    sp_time var = 3 * r->rttvar > VAR_MIN ? 3 * r->rttvar : VAR_MIN;
    r->pto = r->srtt + var + r->peer_delay;
    if (r->is_stale)
        r->pto += r->pto / 2;
}

void sp_rtt_init(struct sp_rtt *r, sp_time peer_delay, sp_time now)
{
    memset(r, 0, sizeof *r);
    r->srtt = r->latest = SP_RTT_START;
    r->rttvar = SP_RTT_VAR_START;
    r->peer_delay = peer_delay;
    r->min_since = now;
    r->tolerance = 1;
    update_pto(r);
}

static void update_min(struct sp_rtt *r, sp_time sample, sp_time now)
{
    if (now - r->min_since >= MIN_WINDOW) {
        /* Silent for both halves: what is remembered is older than the window. */
        r->min_of[1] = now - r->min_since >= 2 * MIN_WINDOW ? 0 : r->min_of[0];
        r->min_of[0] = 0;
        r->min_since = now;
    }
    if (r->min_of[0] == 0 || sample < r->min_of[0])
        r->min_of[0] = sample;
}

sp_time sp_rtt_min(const struct sp_rtt *r)
{
    if (r->min_of[0] == 0)
        return r->min_of[1];
    return r->min_of[1] != 0 && r->min_of[1] < r->min_of[0] ? r->min_of[1] : r->min_of[0];
}

void sp_rtt_sample(struct sp_rtt *r, sp_time sample, sp_time delay, sp_time now)
{
    if (sample < 1)
        sample = 1; /* 0 means "none" in the minimum */
    if (sample > SAMPLE_MAX)
        sample = SAMPLE_MAX;
    update_min(r, sample, now);
    if (sample - delay >= sp_rtt_min(r))
        sample -= delay;

    r->latest = sample;
    if (!r->has_sample) {
        r->has_sample = true;
        r->srtt = sample;
        r->rttvar = sample / 2;
    } else {
        sp_time off = sample > r->srtt ? sample - r->srtt : r->srtt - sample;
        if (!r->is_stale)
            r->rttvar += (off - r->rttvar) / 4;
        r->srtt += (sample - r->srtt) / 8;
    }
    r->is_stale = false;
    update_pto(r);
}

sp_time sp_rtt_wait(const struct sp_rtt *r, unsigned backoff)
{
    static const uint8_t halves[FACTORS_MAX] = {2, 2, 2, 3, 4, 6, 8};
    unsigned i = backoff < FACTORS_MAX ? backoff : FACTORS_MAX - 1;
    sp_time wait = backoff == 0 ? r->pto : r->pto * halves[i] / 2; /* 0 is the usual one */
    return wait < SP_RTT_WAIT_MAX ? wait : SP_RTT_WAIT_MAX;
}

sp_time sp_rtt_lost_after(const struct sp_rtt *r)
{
    sp_time base = r->srtt > r->latest ? r->srtt : r->latest;
    return base + base * r->tolerance / 8;
}

void sp_rtt_note_spurious(struct sp_rtt *r, sp_time now)
{
    bool is_new = r->spurious_at == 0 || now - r->spurious_at >= r->srtt;
    if (!is_new)
        return;
    r->spurious_at = now;
    if (r->tolerance < SP_RTT_TOLERANCE_MAX)
        r->tolerance *= 2;
}

void sp_rtt_note_delay(struct sp_rtt *r, sp_time peer_delay)
{
    r->peer_delay = peer_delay;
    update_pto(r);
}

void sp_rtt_note_idle(struct sp_rtt *r)
{
    r->is_stale = true;
    update_pto(r);
}

void sp_rtt_note_moved(struct sp_rtt *r, sp_time now)
{
    if (r->rttvar < MOVED_MAX) /* an address may change for ever between two samples */
        r->rttvar = 2 * r->rttvar < MOVED_MAX ? 2 * r->rttvar : MOVED_MAX;
    r->min_of[0] = r->min_of[1] = 0;
    r->min_since = now;
    update_pto(r);
}
