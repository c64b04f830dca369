/* sp_local in memory as a disk treats it: what was written but not synced when the process dies is lost, all
 * of it or the newest part.  Calls may fail as drawn; a call that fails changes nothing. */
#ifndef SP_LOSSLOCAL_H
#define SP_LOSSLOCAL_H

#include "dice.h"

#include <sampan/local.h>

struct sp_losslocal_row;
struct sp_losslocal_undo;

struct sp_losslocal {
    struct sp_local table; /* what the client gets */
    struct sp_local_state state;
    struct sp_losslocal_row **rows; /* by rising msgid */
    size_t rows_n, rows_cap;
    struct sp_losslocal_undo *undos; /* how to take back what is not synced, oldest first */
    size_t undos_n, undos_cap;
    struct sp_dice dice;
    unsigned fail; /* calls of 1,000 that fail */
};

void sp_losslocal_init(struct sp_losslocal *l, struct sp_dice dice);
void sp_losslocal_wipe(struct sp_losslocal *l);
/* The process died. */
void sp_losslocal_crash(struct sp_losslocal *l);

#endif
