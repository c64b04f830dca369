/* Errors of the disk at every call, a full map, a full disk: the running engine must say so, keep its
 * promises, and start again. */
#ifndef SP_CRASH_ERRORS_H
#define SP_CRASH_ERRORS_H

#include "crash_disk.h"

struct crash_errors {
    uint64_t calls;       /* the fault meets call 0 .. calls - 1 */
    uint64_t part, parts; /* this one's share of the numbers: part, part + parts, ... */
    uint64_t seed;
    char dir[CRASH_PATH];
    uint64_t runs, met, cuts, fills, findings;
    /* Disks that got full, those of them that refused a message (the others had pages enough), confirms. */
    uint64_t fulls, fulls_named, confirms;
};

/* For each kind of fault and each n: a run in which the n-th call meets it.  Adds figures, prints findings.
 */
void crash_errors_each(struct crash_errors *e);
/* Fills a small map, and a small disk, again and again. */
void crash_errors_room(struct crash_errors *e);

#endif
