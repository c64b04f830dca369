/* The history of a world for the checker of `sampan verify`: every client notes what its app does and is
 * told; the checker judges them in this process, and a folder may get them as lines.  It knows nothing of the
 * book, which judges the same in another way. */
#ifndef SIM_RECORD_H
#define SIM_RECORD_H

#include "history.h"

struct sim_record_config {
    size_t files;    /* one per client, then the gateway's */
    const char *dir; /* for files of lines, made if it is missing; NULL: none */
    bool is_healed;  /* every message reaches an end that its sender waits for */
    bool is_alone;   /* all who send are among the clients */
    /* Mailboxes may refuse: a refused message lets its followers go (G11), and if its sender never hears of
     * that and the gateway dies, it comes again and may be stored behind them.  Order is not judged then. */
    bool may_refuse;
};

struct sim_record;

struct sim_record *sim_record_create(const struct sim_record_config *cfg);
void sim_record_destroy(struct sim_record **w);
/* An event for one of the files.  What it points to is copied. */
void sim_record_note(struct sim_record *w, uint32_t file, const struct sp_history_event *e);
/* The end of the world: a broken promise ends the run with a sentence. */
void sim_record_judge(struct sim_record *w);

#endif
