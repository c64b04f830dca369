/* One run of one seed: a world is made from a plan, lives through its troubles, heals, and is looked over.  A
 * broken promise ends the process through ensure.h. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "book.h"
#include "plan.h"

/* Within this time after the troubles every accepted message is delivered and every sender knows its end. */
#define SIM_HEAL_US (120 * SP_SECOND)
/* The same for a store that ends messages without naming them: it loses answers, and one to a CONFIRM names
 * the messages that became DELIVERED only once; or its own sweep ends what has expired.  Their senders learn
 * it by T2, which has grown to an hour at most (docs/protocol.md, section 5.5). */
#define SIM_HEAL_LOST_US (SIM_HEAL_US + 4320 * SP_SECOND)

struct sim_result {
    uint64_t hash;
    sp_time virtual_us, healed_us; /* in all; of that from the end of the troubles until all was settled */
    uint64_t datagrams, crashes, processes;
    struct sim_book_sums sums;
};

struct sim_scene;
/* A gateway process starts. */
void sim_world_note_start(struct sim_scene *scene);

struct sim_world_config {
    const char *dir;     /* an empty folder for the store's files */
    const char *history; /* a folder for the history of each client, or NULL */
    int level;           /* as in note.h */
};

void sim_world_run(const struct sim_plan *plan, const struct sim_world_config *cfg, struct sim_result *out);

#endif
