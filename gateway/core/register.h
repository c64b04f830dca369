/* The ephemeral keys of INITs seen in the last minute: a replayed INIT meets its own key here
 * (docs/protocol.md, section 2.3, steps 4 and 7).  A ring in order of time with an index; full means full,
 * nothing is pushed out early. */
#ifndef SP_REGISTER_H
#define SP_REGISTER_H

#include "arena.h"
#include "table.h"

struct sp_register_row {
    struct sp_hook hook;
    uint8_t e[32];
    uint8_t cid[8]; /* of the session that it opened */
    bool has_session;
    sp_time until;
};
struct sp_register {
    struct sp_register_row *ring;
    size_t first, n, max;
    sp_time life;
    struct sp_table table;
};

void sp_register_init(struct sp_register *r, struct sp_arena *a, size_t max, sp_time life);
/* Forgets what is older than its life.  Call before the others. */
void sp_register_expire(struct sp_register *r, sp_time now);
bool sp_register_is_full(const struct sp_register *r);
/* The row of e, or NULL.  hash: of e, keyed. */
struct sp_register_row *sp_register_find(struct sp_register *r, uint64_t hash, const uint8_t e[32]);
/* Adds e, which is not there.  NULL: full.  The row stays in place until it expires. */
struct sp_register_row *sp_register_add(struct sp_register *r, uint64_t hash, const uint8_t e[32],
                                        sp_time now);

#endif
