/* Loss averages with weights 1/32 and 1/128, and a count of missing numbers for the other direction. */
#include "loss.h"

#include <string.h>

#define START (SP_LOSS_ONE / 20) /* 5 % */
#define FAST  32
#define SLOW  128
#define SETTLED                                                                                              \
    128 /* resolved packets after which p says something, so that a baseline can differ from it              \
         */
#define BASELINE_US    (10 * SP_SECOND)
#define BASELINE_STEP  (100 * SP_MS)
#define INBOUND_WINDOW 64 /* numbers counted before the inbound share is updated */

void sp_loss_init(struct sp_loss *l, sp_time now)
{
    memset(l, 0, sizeof *l);
    l->fast = l->slow = l->baseline = START;
    l->baseline_at = now;
}

static uint32_t toward(uint32_t from, uint32_t to, uint32_t weight)
{
    int64_t step = ((int64_t)to - (int64_t)from) / (int64_t)weight;
    return (uint32_t)((int64_t)from + step);
}

uint32_t sp_loss_p(const struct sp_loss *l)
{
    return l->fast > l->slow ? l->fast : l->slow;
}

void sp_loss_note_resolved(struct sp_loss *l, bool is_lost, sp_time now)
{
    uint32_t one = is_lost ? SP_LOSS_ONE : 0;
    l->fast = toward(l->fast, one, FAST);
    l->slow = toward(l->slow, one, SLOW);

    if (l->resolved < SETTLED) {
        l->resolved++;
        l->baseline = l->slow;
        l->baseline_at = now;
        return;
    }
    sp_time passed = now - l->baseline_at;
    if (passed < BASELINE_STEP)
        return; /* smaller steps would vanish in the division */
    if (passed > BASELINE_US)
        passed = BASELINE_US;
    int64_t gap = (int64_t)l->slow - (int64_t)l->baseline;
    l->baseline = (uint32_t)((int64_t)l->baseline + gap * passed / BASELINE_US);
    l->baseline_at = now;
}

bool sp_loss_is_risen(const struct sp_loss *l)
{
    /* The slow average, and a margin: the fast one strays to twice its mean by chance alone, and a baseline
     * taken from few packets may lie well below the truth. */
    return l->slow > START && l->slow > 2 * l->baseline + START / 2;
}

void sp_loss_note_received(struct sp_loss *l, uint64_t pn)
{
    l->received++;
    if (pn > l->largest) {
        uint64_t step = pn - l->largest;
        l->expected += step < INBOUND_WINDOW ? (uint32_t)step : INBOUND_WINDOW;
        l->largest = pn;
    }
    if (l->expected < INBOUND_WINDOW)
        return;
    /* A late packet of an earlier window may make received the larger one. */
    uint32_t missing = l->expected > l->received ? l->expected - l->received : 0;
    l->inbound = toward(l->inbound, missing * SP_LOSS_ONE / l->expected, 2);
    l->expected = l->received = 0;
}

uint8_t sp_loss_inbound(const struct sp_loss *l)
{
    return (uint8_t)(l->inbound * 255 / SP_LOSS_ONE);
}

void sp_loss_note_moved(struct sp_loss *l)
{
    l->fast /= 2;
    l->slow /= 2;
}
