/* A ring of bits that moves with the seqs in it. */
#include "carry.h"

#include "bug.h"

static uint64_t bit_of(uint32_t seq)
{
    return (uint64_t)1 << (seq % 64);
}

static size_t word_of(uint32_t seq)
{
    return seq % SP_CARRY_WINDOW / 64;
}

bool sp_carry_has(const struct sp_carry *c, uint32_t seq)
{
    if (c->n == 0 || seq < c->lo || seq > c->hi)
        return false;
    return (c->bits[word_of(seq)] & bit_of(seq)) != 0;
}

/* Moves lo up and hi down to seqs that are there. */
static void tighten(struct sp_carry *c)
{
    SP_ASSERT(c->n > 0);
    while ((c->bits[word_of(c->lo)] & bit_of(c->lo)) == 0)
        c->lo++;
    while ((c->bits[word_of(c->hi)] & bit_of(c->hi)) == 0)
        c->hi--;
}

int sp_carry_add(struct sp_carry *c, uint32_t seq)
{
    if (sp_carry_has(c, seq))
        return 0;
    if (c->n == 0) {
        c->lo = c->hi = seq;
    } else {
        tighten(c);
        uint32_t lo = seq < c->lo ? seq : c->lo;
        uint32_t hi = seq > c->hi ? seq : c->hi;
        if (hi - lo >= SP_CARRY_WINDOW)
            return SP_EFULL;
        c->lo = lo;
        c->hi = hi;
    }
    c->bits[word_of(seq)] |= bit_of(seq);
    c->n++;
    return 0;
}

void sp_carry_remove(struct sp_carry *c, uint32_t seq)
{
    if (!sp_carry_has(c, seq))
        return;
    c->bits[word_of(seq)] &= ~bit_of(seq);
    c->n--;
}

uint32_t sp_carry_first(const struct sp_carry *c, uint32_t lo, uint32_t hi)
{
    if (c->n == 0)
        return 0;
    uint32_t from = lo > c->lo ? lo : c->lo;
    uint32_t to = hi < c->hi ? hi : c->hi;
    for (uint64_t seq = from; seq <= to; seq++) { /* at most SP_CARRY_WINDOW turns */
        if ((c->bits[word_of((uint32_t)seq)] & bit_of((uint32_t)seq)) != 0)
            return (uint32_t)seq;
    }
    return 0;
}
