/* Messages whose awaited state `sampan send` has not printed yet, by rising msgid.  Not the outbox: it only
 * knows when a message was taken from standard input and whether its line was printed. */
#ifndef SP_WAITING_H
#define SP_WAITING_H

#include <sampan/types.h>

struct sp_waiting_entry {
    struct sp_msgid msgid;
    sp_time since;
    bool is_printed;
};
struct sp_waiting {
    struct sp_waiting_entry *entries; /* a queue: first..end are in use */
    size_t first, end, cap;
    size_t open; /* entries not printed */
};

void sp_waiting_init(struct sp_waiting *w);
void sp_waiting_wipe(struct sp_waiting *w);
/* Adds a msgid above all others.  false: no memory. */
bool sp_waiting_add(struct sp_waiting *w, struct sp_msgid id, sp_time now);
/* The entry if it was not printed yet, else NULL. */
struct sp_waiting_entry *sp_waiting_find(struct sp_waiting *w, struct sp_msgid id);
/* Its line is printed. */
void sp_waiting_close(struct sp_waiting *w, struct sp_waiting_entry *e);
/* The oldest entry not printed, or NULL. */
struct sp_waiting_entry *sp_waiting_oldest(struct sp_waiting *w);

#endif
