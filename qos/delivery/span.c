/* A sorted array of ranges.  All steps are linear in SP_SPAN_RANGES_MAX. */
#include "span.h"

#include "bug.h"
#include <sampan/err.h>

#include <string.h>

void sp_span_init(struct sp_span *s, uint32_t base)
{
    s->base = base;
    s->n = 0;
}

/* Index of the first range that ends at or above seq; n when there is none. */
static size_t find(const struct sp_span *s, uint32_t seq)
{
    size_t i = 0;
    while (i < s->n && s->ranges[i].hi < seq)
        i++;
    return i;
}

bool sp_span_has(const struct sp_span *s, uint32_t seq)
{
    if (seq <= s->base)
        return true;
    size_t i = find(s, seq);
    return i < s->n && s->ranges[i].lo <= seq;
}

static bool touches(const struct sp_span_range *low, const struct sp_span_range *high)
{
    return low->why == high->why && low->hi == high->lo - 1;
}

/* Joins range i with its successor if they touch and are of one kind. */
static void join(struct sp_span *s, size_t i)
{
    if (i + 1 >= s->n || !touches(&s->ranges[i], &s->ranges[i + 1]))
        return;
    s->ranges[i].hi = s->ranges[i + 1].hi;
    s->n--;
    memmove(&s->ranges[i + 1], &s->ranges[i + 2], (s->n - i - 1) * sizeof s->ranges[0]);
}

/* Puts a range that overlaps none at its place.  When all places are taken the highest range gives way: what
 * is needed soonest always fits, so the span cannot block itself. */
static int insert(struct sp_span *s, struct sp_span_range r)
{
    size_t i = find(s, r.lo);
    if (i > 0 && touches(&s->ranges[i - 1], &r)) {
        s->ranges[i - 1].hi = r.hi;
        join(s, i - 1);
        return 0;
    }
    if (i < s->n && touches(&r, &s->ranges[i])) {
        s->ranges[i].lo = r.lo;
        return 0;
    }
    if (s->n == SP_SPAN_RANGES_MAX) {
        if (i == s->n)
            return SP_EFULL;
        s->n--;
    }
    memmove(&s->ranges[i + 1], &s->ranges[i], (s->n - i) * sizeof s->ranges[0]);
    s->ranges[i] = r;
    s->n++;
    return 0;
}

int sp_span_add(struct sp_span *s, uint32_t seq)
{
    if (sp_span_has(s, seq))
        return SP_EREPLAY;
    return insert(s, (struct sp_span_range){.lo = seq, .hi = seq});
}

int sp_span_skip(struct sp_span *s, uint32_t lo, uint32_t hi, uint8_t why)
{
    SP_ASSERT(why != 0);
    uint64_t at = lo > s->base ? lo : (uint64_t)s->base + 1; /* 64 bits: hi may be the last seq there is */
    while (at <= hi) {
        size_t i = find(s, (uint32_t)at);
        if (i < s->n && s->ranges[i].lo <= at) {
            at = (uint64_t)s->ranges[i].hi + 1;
            continue;
        }
        uint32_t end = i < s->n && s->ranges[i].lo <= hi ? s->ranges[i].lo - 1 : hi;
        int rc = insert(s, (struct sp_span_range){.lo = (uint32_t)at, .hi = end, .why = why});
        if (rc != 0)
            return rc;
        at = (uint64_t)end + 1;
    }
    return 0;
}

bool sp_span_next(const struct sp_span *s, struct sp_span_range *out)
{
    if (!sp_span_has_next(s))
        return false;
    *out = s->ranges[0];
    if (out->why == 0)
        out->hi = out->lo;
    return true;
}

void sp_span_pass(struct sp_span *s, uint32_t hi)
{
    SP_ASSERT(s->n > 0);
    SP_ASSERT(hi >= s->ranges[0].lo);
    SP_ASSERT(hi <= s->ranges[0].hi);
    s->base = hi;
    if (s->ranges[0].hi > hi) {
        s->ranges[0].lo = hi + 1;
        return;
    }
    s->n--;
    memmove(&s->ranges[0], &s->ranges[1], s->n * sizeof s->ranges[0]);
}

uint32_t sp_span_have(const struct sp_span *s)
{
    uint32_t have = s->base;
    for (size_t i = 0; i < s->n && s->ranges[i].lo - 1 == have; i++)
        have = s->ranges[i].hi;
    return have;
}

uint32_t sp_span_top(const struct sp_span *s)
{
    return s->n > 0 ? s->ranges[s->n - 1].hi : s->base;
}

size_t sp_span_held(const struct sp_span *s, uint32_t cursor, struct sp_span_range *out, size_t max)
{
    SP_ASSERT(cursor <= s->base);
    size_t n = 0;
    if (max > 0 && cursor < s->base)
        out[n++] = (struct sp_span_range){.lo = cursor + 1, .hi = s->base};
    for (size_t i = 0; i < s->n; i++) {
        if (n > 0 && out[n - 1].hi == s->ranges[i].lo - 1)
            out[n - 1].hi = s->ranges[i].hi;
        else if (n < max)
            out[n++] = (struct sp_span_range){.lo = s->ranges[i].lo, .hi = s->ranges[i].hi};
        else
            break;
    }
    return n;
}
