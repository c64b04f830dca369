/* The history of a gateway (docs/history.md): what its core witnesses, gathered within a turn of the loop and
 * written before the datagrams of that turn leave, so that a kill loses no line about anything that others
 * have seen.  A line that cannot be written is counted and logged once; messages are not affected. */
#ifndef SP_CHRONICLE_H
#define SP_CHRONICLE_H

#include "historyfile.h"
#include "log.h"
#include "trouble.h"
#include "witness.h"

struct sp_chronicle {
    struct sp_historyfile file; /* fd -1: no history is wanted */
    struct sp_witness witness;  /* for the core's configuration */
    struct sp_log *log;         /* borrowed */
    uint64_t lines;             /* written or lost */
    bool is_told;               /* of a line that could not be written */
};

/* Opens the file and notes the start.  path "-": none, and every later call does nothing.  SP_EXIT_IO. */
int sp_chronicle_open(struct sp_chronicle *c, const char *path, struct sp_log *log, struct sp_trouble *t);
/* What the core is to be given: NULL without a history. */
const struct sp_witness *sp_chronicle_witness(const struct sp_chronicle *c);
/* Writes what this turn has gathered. */
void sp_chronicle_flush(struct sp_chronicle *c);
/* Closes the file; notes the end when it is a good one.  Safe when it was never opened, if zeroed. */
void sp_chronicle_close(struct sp_chronicle *c, bool is_good_end);

#endif
