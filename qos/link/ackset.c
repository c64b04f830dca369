/* Received numbers as a few descending ranges, and their translation to and from the ACK frame. */
#include "ackset.h"

#include <sampan/err.h>

#include <string.h>

#define DELAY_UNIT_US 250
#define BYTE_MAX      255u
#define PN_MAX        (((uint64_t)1 << 62) - 1)

void sp_ackset_init(struct sp_ackset *a)
{
    memset(a, 0, sizeof *a);
}

static void remove_at(struct sp_ackset *a, size_t i)
{
    a->n--;
    memmove(&a->ranges[i], &a->ranges[i + 1], (a->n - i) * sizeof a->ranges[0]);
}

/* A range of pn alone at place i.  A full set loses its oldest range, or does not take pn when pn is older
 * still. */
static void insert_at(struct sp_ackset *a, size_t i, uint64_t pn)
{
    if (i == SP_ACKSET_RANGES_MAX)
        return;
    if (a->n == SP_ACKSET_RANGES_MAX)
        a->n--;
    memmove(&a->ranges[i + 1], &a->ranges[i], (a->n - i) * sizeof a->ranges[0]);
    a->ranges[i].lo = a->ranges[i].hi = pn;
    a->n++;
}

void sp_ackset_add(struct sp_ackset *a, uint64_t pn, sp_time now)
{
    if (a->n == 0 || pn > a->ranges[0].hi)
        a->largest_at = now;

    size_t i = 0; /* first range that reaches down to pn or touches it from above */
    while (i < a->n && a->ranges[i].lo > pn + 1)
        i++;
    if (i == a->n || a->ranges[i].hi + 1 < pn) {
        insert_at(a, i, pn);
        return;
    }
    if (pn > a->ranges[i].hi)
        a->ranges[i].hi = pn;
    if (pn < a->ranges[i].lo)
        a->ranges[i].lo = pn;
    if (i + 1 < a->n && a->ranges[i + 1].hi + 1 == a->ranges[i].lo) { /* pn closed a hole */
        a->ranges[i].lo = a->ranges[i + 1].lo;
        remove_at(a, i + 1);
    }
}

static uint8_t delay_of(const struct sp_ackset *a, sp_time now)
{
    sp_time units = (now - a->largest_at) / DELAY_UNIT_US;
    if (units < 0)
        return 0;
    return units > (sp_time)BYTE_MAX ? BYTE_MAX : (uint8_t)units;
}

int sp_ackset_frame(const struct sp_ackset *a, uint8_t loss, sp_time now, struct sp_frame *out)
{
    if (a->n == 0)
        return SP_EAGAIN;
    struct sp_frame_ack *ack = &out->u.ack;
    out->kind = SP_KIND_ACK;
    memset(ack, 0, sizeof *ack);
    ack->largest = (uint32_t)a->ranges[0].hi;
    ack->delay = delay_of(a, now);
    ack->loss = loss;
    uint64_t below = a->ranges[0].hi - a->ranges[0].lo; /* numbers of the run still to be named */
    ack->first = below > BYTE_MAX ? BYTE_MAX : (uint8_t)below;

    /* A run longer than its byte ends the frame: what lies below it could not be reached (docs/protocol.md,
     * section 4). */
    bool is_whole = below <= BYTE_MAX;
    for (size_t i = 1; i < a->n && is_whole && ack->n < SP_ACK_GAPS_MAX; i++) {
        uint64_t gap = a->ranges[i - 1].lo - a->ranges[i].hi - 1;
        uint64_t len = a->ranges[i].hi - a->ranges[i].lo + 1;
        if (gap > BYTE_MAX)
            break;
        is_whole = len <= BYTE_MAX;
        ack->gaps[ack->n].gap = (uint8_t)gap;
        ack->gaps[ack->n].len = is_whole ? (uint8_t)len : BYTE_MAX;
        ack->n++;
    }
    return 0;
}

/* Of all numbers with these low 32 bits the one nearest to `sent`; the lower one of two equally near. */
static uint64_t full_number(uint32_t low, uint64_t sent)
{
    const uint64_t turn = (uint64_t)1 << 32;
    uint64_t n = (sent & ~(turn - 1)) | low;
    if (n > sent && n - sent >= turn / 2 && n >= turn)
        return n - turn;
    if (n < sent && sent - n > turn / 2 && n + turn <= PN_MAX)
        return n + turn;
    return n;
}

int sp_ackset_expand(const struct sp_frame_ack *f, uint64_t sent,
                     struct sp_ackset_range out[1 + SP_ACK_GAPS_MAX], size_t *n)
{
    uint64_t hi = full_number(f->largest, sent);
    if (hi > sent || f->first > hi || f->n > SP_ACK_GAPS_MAX)
        return SP_EMALFORMED;
    struct sp_ackset_range r = {.lo = hi - f->first, .hi = hi};
    out[0] = r;
    for (size_t i = 0; i < f->n; i++) {
        uint64_t gap = f->gaps[i].gap;
        uint64_t len = f->gaps[i].len;
        if (gap == 0 || len == 0 || gap + len > r.lo)
            return SP_EMALFORMED;
        r.hi = r.lo - gap - 1;
        r.lo = r.hi - len + 1;
        out[i + 1] = r;
    }
    *n = 1 + (size_t)f->n;
    return 0;
}
