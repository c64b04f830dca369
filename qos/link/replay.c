/* Replay window: a ring of bits indexed by the low bits of the number, as in RFC 6479, with bit granularity.
 */
#include "replay.h"

#include <sampan/err.h>

#include <string.h>

static uint64_t bit_of(uint64_t pn)
{
    return (uint64_t)1 << (pn % 64);
}

static size_t word_of(uint64_t pn)
{
    return (size_t)(pn % SP_REPLAY_WINDOW / 64);
}

void sp_replay_init(struct sp_replay *r)
{
    memset(r, 0, sizeof *r);
}

int sp_replay_check(const struct sp_replay *r, uint64_t pn)
{
    if (!r->any || pn > r->largest)
        return 0;
    if (r->largest - pn >= SP_REPLAY_WINDOW)
        return SP_EREPLAY;
    return (r->bits[word_of(pn)] & bit_of(pn)) != 0 ? SP_EREPLAY : 0;
}

/* Moves the window up to pn: the bits of the numbers between, which stood for numbers 1024 below, are
 * cleared. */
static void advance(struct sp_replay *r, uint64_t pn)
{
    if (pn - r->largest >= SP_REPLAY_WINDOW) {
        memset(r->bits, 0, sizeof r->bits);
    } else {
        for (uint64_t n = r->largest + 1; n <= pn; n++)
            r->bits[word_of(n)] &= ~bit_of(n);
    }
    r->largest = pn;
}

void sp_replay_mark(struct sp_replay *r, uint64_t pn)
{
    if (!r->any) {
        r->any = true;
        r->largest = pn;
    } else if (pn > r->largest) {
        advance(r, pn);
    }
    r->bits[word_of(pn)] |= bit_of(pn);
}
