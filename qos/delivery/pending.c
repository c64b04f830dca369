/* Section 5.5 as a table: least wait, whether 3 PTO may stretch it, cap of the doubling. */
#include "pending.h"

#include "bug.h"

#define JITTER_PERCENT 20 /* of every row used here */

static const struct {
    sp_time least_us, cap_us;
    bool follows_pto;
} rows[SP_PENDING_KINDS] = {
    [SP_PENDING_T1] = {1 * SP_SECOND, 60 * SP_SECOND, true},
    [SP_PENDING_T1_FOUR] = {3 * SP_SECOND, 60 * SP_SECOND, true},
    [SP_PENDING_T2] = {60 * SP_SECOND, 3600 * SP_SECOND, false},
    /* The gateway holds back the answer about a message in flight for up to 10 s, until its fate is known. */
    [SP_PENDING_STATUS] = {12 * SP_SECOND, 60 * SP_SECOND, true},
    [SP_PENDING_ACK_R] = {5 * SP_SECOND, 60 * SP_SECOND, false},
    [SP_PENDING_PULL] = {2 * SP_SECOND, 30 * SP_SECOND, true},
};

sp_time sp_pending_wait_us(enum sp_pending_kind kind, unsigned tries, sp_time three_pto)
{
    SP_ASSERT(kind < SP_PENDING_KINDS);
    sp_time wait = rows[kind].least_us;
    if (rows[kind].follows_pto && three_pto > wait)
        wait = three_pto;
    for (unsigned i = 0; i < tries && wait < rows[kind].cap_us; i++)
        wait *= 2;
    return wait < rows[kind].cap_us ? wait : rows[kind].cap_us;
}

void sp_pending_init(struct sp_pending *p)
{
    *p = (struct sp_pending){.due = SP_NEVER};
}

static void arm(struct sp_pending *p, sp_time three_pto, struct sp_rng *rng, sp_time now)
{
    p->due = now + sp_rng_jitter(rng, sp_pending_wait_us(p->kind, p->tries, three_pto), JITTER_PERCENT);
}

void sp_pending_start(struct sp_pending *p, enum sp_pending_kind kind, uint16_t id, sp_time three_pto,
                      struct sp_rng *rng, sp_time now)
{
    *p = (struct sp_pending){.kind = (uint8_t)kind, .is_waiting = true, .id = id};
    arm(p, three_pto, rng, now);
}

void sp_pending_again(struct sp_pending *p, sp_time three_pto, struct sp_rng *rng, sp_time now)
{
    SP_ASSERT(p->is_waiting);
    if (p->tries < UINT8_MAX)
        p->tries++;
    arm(p, three_pto, rng, now);
}

void sp_pending_stop(struct sp_pending *p)
{
    p->is_waiting = false;
    p->due = SP_NEVER;
}

bool sp_pending_is_due(const struct sp_pending *p, sp_time now)
{
    return p->is_waiting && p->due <= now;
}
