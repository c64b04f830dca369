/* The history of one client: what its app asked, was told, was handed and kept, as lines of a file
 * (docs/history.md).  Each line is written at once, before anything that follows from it can be seen outside.
 * A line that cannot be written is told once on stderr and changes nothing else. */
#ifndef SP_DIARY_H
#define SP_DIARY_H

#include <sampan/client.h>

#include "historyfile.h"
#include "tokenfile.h"
#include "trouble.h"

struct sp_diary {
    struct sp_historyfile file; /* fd -1: no history is wanted */
    const struct sp_tokenfile *token;
    const struct sp_local *local;
    uint8_t want; /* state up to where the sender waits; 0: its end */
    bool is_told; /* of a line that could not be written */
};

/* Opens the file and notes the start, with what is durable in `local`.  path NULL: every later call does
 * nothing.  token and local are borrowed until close.  SP_EXIT_IO. */
int sp_diary_open(struct sp_diary *d, const char *path, uint8_t want, const struct sp_tokenfile *token,
                  const struct sp_local *local, struct sp_trouble *t);
/* A message of an earlier run, whose state the app takes from the store. */
void sp_diary_remembered(struct sp_diary *d, const struct sp_outgoing *m);
/* The client took a message and gave it this msgid. */
void sp_diary_sent(struct sp_diary *d, const struct sp_outgoing *m, struct sp_msgid id);
/* An event of the client reaches the app. */
void sp_diary_event(struct sp_diary *d, const struct sp_client_event *ev);
/* The app has persisted all up to seq. */
void sp_diary_kept(struct sp_diary *d, struct sp_seq upto);
/* Notes the end and closes.  Safe on a diary that is zeroed, closed or was never opened. */
void sp_diary_close(struct sp_diary *d);

#endif
