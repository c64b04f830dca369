/* Which seqs of msg:N the link of one session still carries: submitted, not yet acknowledged by the peer's
 * link.  A pull does not repeat those (docs/protocol.md, section 5.4).  All of them lie within
 * SP_CARRY_WINDOW of each other. */
#ifndef SP_CARRY_H
#define SP_CARRY_H

#include <sampan/err.h>
#include <sampan/types.h>

#define SP_CARRY_WINDOW 1024

struct sp_carry {
    uint32_t lo, hi; /* all carried seqs are in lo..hi; valid when n > 0 */
    uint32_t n;
    uint64_t bits[SP_CARRY_WINDOW / 64]; /* by seq modulo the window */
};

/* Zeroed memory is an empty set. */
bool sp_carry_has(const struct sp_carry *c, uint32_t seq);
/* Adds a seq; one that is there stays.  SP_EFULL: too far from a seq still carried, nothing changed. */
int sp_carry_add(struct sp_carry *c, uint32_t seq);
/* Removes a seq; without effect if it is not there. */
void sp_carry_remove(struct sp_carry *c, uint32_t seq);
/* First carried seq of lo..hi; 0: none. */
uint32_t sp_carry_first(const struct sp_carry *c, uint32_t lo, uint32_t hi);

#endif
