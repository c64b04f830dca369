/* What one install remembers: outbox and cursor, persistent through this table of functions.
 * adapters/local_lmdb.c is the shipped one; an app with a database of its own writes these functions.  All
 * are called from the client's calls, on the caller's thread, and never call back. */
#ifndef SAMPAN_LOCAL_H
#define SAMPAN_LOCAL_H

#include <sampan/types.h>

/* A message of ours, as submitted and as remembered.  Views are borrowed for the call; those that `next`
 * returns stay until the next call on the table. */
struct sp_outgoing {
    struct sp_msgid msgid; /* 0 at submit: the client gives one */
    struct sp_msgid after; /* always 0: the client computes it at each sending */
    struct sp_view to, body;
    uint32_t flags;     /* SP_OUT_* */
    uint32_t expires_s; /* seconds the gateway keeps it undelivered; 0: the gateway's default */
    uint8_t state;   /* enum sp_state: 0 until answered, 1 or 2 when safe; 128 and above: ended, the app is to
                        be told */
    int64_t first_s; /* unix time of the first sending; 0: never sent */
};
#define SP_OUT_FOUR 1 /* four-report mode */

struct sp_local_state {
    uint32_t install_epoch; /* 0: a new store; the client draws one from its wall clock and puts it with the
                               first row */
    struct sp_msgid last;   /* highest msgid ever put, also after drop */
    struct sp_epoch epoch;  /* of the mailbox; 0: none yet */
    struct sp_seq cursor;   /* the app has persisted all up to it */
};

/* Every function returns 0 or SP_EIO unless more is said; after SP_EIO nothing of that call has happened. */
struct sp_local {
    void *self;
    /* Reads the state; zeroes for a new store.  Called once, at init. */
    int (*load)(void *self, struct sp_local_state *out);
    /* The first remembered message with msgid > after, without its body (body.n is its length).  SP_EAGAIN:
     * no more. Called at init only. */
    int (*next)(void *self, struct sp_msgid after, struct sp_outgoing *out);
    /* Remembers a message, or its changed state and first_s (then body.p is NULL and the old body stays). */
    int (*put)(void *self, const struct sp_outgoing *m);
    /* Copies the body into dst.  SP_EFULL: cap too small; SP_EAGAIN: no such message or its body was let go.
     */
    int (*read)(void *self, struct sp_msgid id, uint8_t *dst, size_t cap, size_t *len);
    /* Forgets a message; `last` stays. */
    int (*drop)(void *self, struct sp_msgid id);
    /* Remembers epoch and cursor. */
    int (*cursor)(void *self, struct sp_epoch epoch, struct sp_seq upto);
    /* All of the above is durable when this returns 0. */
    int (*sync)(void *self);
};

#endif
