/* Token bucket in whole bytes. */
#include "pacer.h"

#define BURST ((int64_t)10 * SP_DATAGRAM_MAX)

void sp_pacer_init(struct sp_pacer *p, sp_time now)
{
    p->bytes = BURST;
    p->at = now;
}

/* How long `bytes` take at 1.25 windows per round trip, rounded up. */
static sp_time time_of(int64_t bytes, uint32_t cwnd, sp_time srtt)
{
    int64_t rate = (int64_t)cwnd * 5;
    return (bytes * 4 * srtt + rate - 1) / rate;
}

bool sp_pacer_allows(struct sp_pacer *p, uint32_t cwnd, sp_time srtt, sp_time now)
{
    if (now - p->at >= time_of(BURST - p->bytes, cwnd, srtt)) { /* which also keeps the product below small */
        p->bytes = BURST;
        p->at = now;
        return true;
    }
    int64_t refill = (now - p->at) * (int64_t)cwnd * 5 / (4 * srtt);
    p->bytes += refill;
    p->at += time_of(refill, cwnd, srtt); /* the rest of the time counts at the next call */
    return p->bytes >= 0;
}

void sp_pacer_note_sent(struct sp_pacer *p, size_t len)
{
    p->bytes -= (int64_t)len;
}

sp_time sp_pacer_next(const struct sp_pacer *p, uint32_t cwnd, sp_time srtt)
{
    if (p->bytes >= 0)
        return p->at;
    return p->at + time_of(-p->bytes, cwnd, srtt);
}
