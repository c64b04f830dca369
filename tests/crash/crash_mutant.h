/* Damaged files: data.mdb of a good store is changed at random places, and the engine must not serve what was
 * never stored.  Each mutant runs in a child, because LMDB itself does not survive every damage of its pages.
 */
#ifndef SP_CRASH_MUTANT_H
#define SP_CRASH_MUTANT_H

#include "crash_trap.h"

/* What was changed. */
enum crash_mutation {
    CRASH_MUTATION_VALUE,  /* 1 to 8 bits inside of one of our values */
    CRASH_MUTATION_BITS,   /* 1 to 8 bits anywhere */
    CRASH_MUTATION_HEADER, /* a byte of a page's header */
    CRASH_MUTATION_NODES,  /* a byte of a page's node offsets */
    CRASH_MUTATION_ZEROS,  /* a page becomes zeros */
    CRASH_MUTATION_STRAY,  /* a page becomes another page */
    CRASH_MUTATION_META,   /* a byte of a meta page */
    CRASH_MUTATION_SHORT,  /* the file ends earlier */
    CRASH_MUTATIONS
};

enum crash_end {
    CRASH_END_SAME,    /* everything as promised */
    CRASH_END_REFUSED, /* open says no */
    CRASH_END_NOTICED, /* some answers say corrupt or failed, or the counter does; all others are right */
    CRASH_END_SILENT,  /* something promised is missing and nothing says so */
    CRASH_END_WRONG,   /* something that was never stored is served as good */
    CRASH_END_SIGNAL,  /* LMDB ended the process */
    CRASH_END_HANG,
    CRASH_ENDS
};

struct crash_mutants {
    uint64_t n, seed;
    uint64_t part, parts;
    char dir[CRASH_PATH];
    uint64_t ends[CRASH_MUTATIONS][CRASH_ENDS];
    uint64_t findings; /* WRONG, HANG, or a signal for a changed value */
};

void crash_mutants_run(struct crash_mutants *m);
/* Prints the table. */
void crash_mutants_print(const struct crash_mutants *m);

#endif
